"""Findings in, notifications with a named reason out: alerts, incidents, routing, deduplication. Pure."""
