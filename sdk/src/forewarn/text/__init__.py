"""Text of an agent on its way: kept within bounds, and read where it is not sent."""
