"""How a partition's state becomes durable: entries written in their order."""
