"""What the arguments and results of a tool's calls look like, beside what they say."""
