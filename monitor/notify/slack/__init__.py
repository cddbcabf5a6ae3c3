"""Slack: how a message looks there, how it is sent, and what its buttons say."""
