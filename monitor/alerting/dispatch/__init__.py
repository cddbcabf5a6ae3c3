"""A written `route:`: alerts are held, grouped and told as Alertmanager does."""
