"""Forewarn."""
