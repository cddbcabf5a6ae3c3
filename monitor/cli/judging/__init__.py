"""Commands that judge before something goes live."""
