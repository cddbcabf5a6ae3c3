"""Parts of the YAML, one subject each; `schemas.config` puts them together."""
