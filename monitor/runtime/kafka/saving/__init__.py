"""How a partition's state becomes durable: entries written in their order, those too large for a record in parts."""
