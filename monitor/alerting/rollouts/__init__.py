"""What the router knows of rollouts: how each stood last."""
