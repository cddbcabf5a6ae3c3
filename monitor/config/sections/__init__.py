"""Checks of single sections of the file, beside those of its grammar."""
