"""What the router did, in words and tables for a terminal."""
