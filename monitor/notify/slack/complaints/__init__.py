"""Complaints that people mark in Slack: a reaction under a message in a support channel."""
