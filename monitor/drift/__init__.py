"""Drift of one agent: what a closed run says about its numbers, words and shapes, and what changed in them."""
