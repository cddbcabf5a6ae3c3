"""What is bet, and against what: shapes of numbers, odds of shares, and the tolerance band around a learned law."""
