"""From the Collector's topics to runs: spans brought together by trace, and the clock by which traces close."""
