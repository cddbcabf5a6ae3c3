"""What the router knows of changes: announced ones, first sightings, and which of them caused an incident."""
