"""The nouns on the wire and in the YAML. Imports nothing of ours."""
