"""Who is told: the owner, or what the route tree of the YAML says."""
