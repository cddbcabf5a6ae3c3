"""Notifications go out: what stands in a message, where it is sent, and what was delivered."""
