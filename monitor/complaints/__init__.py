"""Complaints and objectives as an engine sees them: what it tells the router, to measure the monitor by."""
