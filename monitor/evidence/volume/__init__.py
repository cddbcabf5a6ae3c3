"""How many runs an agent has, and how many are usual: silence and volume."""
