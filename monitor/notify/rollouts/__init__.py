"""Rollouts told to people and to programs: the message, and the signed webhook on a verdict."""
