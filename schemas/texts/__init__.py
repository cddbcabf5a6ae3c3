"""What is kept of agent text when the text is dropped, and whether a result says that its tool failed."""
