"""What is normal for each channel, learned from its own runs: cells, counts, and the tables of bets made from them."""
