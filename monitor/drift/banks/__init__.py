"""The banks of one agent: how they are laid out (`plan`), which there are (`profile`), what they took (`recent`)."""
