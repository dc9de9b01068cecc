"""The commands that the AI layer adds to `chartline`: demo and ask."""
