"""News in the router: each kind goes to the part that keeps it."""
