"""The demo: a small fleet that breaks silently, and the story around it. No part of a monitor in production."""
