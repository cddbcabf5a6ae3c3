"""Messages that list and have nothing to act on."""
