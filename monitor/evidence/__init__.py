"""Where evidence is gathered: nodes of agents, nodes above them, and the ledger of the alert budget. Pure."""
