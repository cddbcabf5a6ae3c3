"""Commands that ask the brokers."""
