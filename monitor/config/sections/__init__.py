"""Checks of single sections of the file, a module each; `monitor.config.reader` lists them."""
