"""Complaints in the router: which incidents they belong to, and what was missed."""
