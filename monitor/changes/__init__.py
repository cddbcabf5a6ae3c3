"""Changes as an engine sees them: those that are announced, and what a run shows for the first time."""
