"""Webhooks of other systems that tell of changes."""
