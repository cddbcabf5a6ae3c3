"""Findings become alerts, alerts become incidents."""
