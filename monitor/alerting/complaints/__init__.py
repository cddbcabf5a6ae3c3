"""What the router knows of complaints, and which incidents they belong to."""
