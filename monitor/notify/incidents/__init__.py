"""Messages of incidents, on which people act."""
