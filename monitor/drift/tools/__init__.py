"""What is usual of the tools of an agent, learned from its runs alone."""
