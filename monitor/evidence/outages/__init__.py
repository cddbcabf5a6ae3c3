"""Which node above agents a fault belongs to: cells and their parents, what was counted when, and the choice. Pure."""
