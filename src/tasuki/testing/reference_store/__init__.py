"""An in-memory store that computes its answers independently of the SQL."""
