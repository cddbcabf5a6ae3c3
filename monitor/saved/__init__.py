"""What is written of runs and nodes: plain structs (`states`), and the way there and back (`turning`)."""
