"""What the engine steps by: what comes out of a batch, and which agents a tick is for."""
