"""What waits to be sent: the entries of the outbox, and the lane of each target in which they stand."""
