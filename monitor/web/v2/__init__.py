"""Alertmanager's API, version 2, as amtool, Prometheus and Grafana speak it: `routes` is the way in."""
