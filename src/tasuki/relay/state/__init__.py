"""Per-remote files of a data folder: acknowledgements, dead letters, and status."""
