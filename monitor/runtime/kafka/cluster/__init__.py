"""What several workers of one group need beside their work: proof of membership, state by partition, limits, sight."""
