"""What an agent's answers are like beyond their shape: their fields, and whether what they hold still moves."""
