"""`forewarn test`: scenarios of the YAML on a virtual clock, and what they found."""
