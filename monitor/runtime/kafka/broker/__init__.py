"""How the brokers are spoken to: encrypted, as whom. No Faust here, which takes a second to import."""
