"""Look and act from the terminal: alerts, incidents, silences, acknowledgements."""
