"""Query recorded runs from Python."""
