"""The one page for people: server-rendered, read only, complete without JavaScript."""
