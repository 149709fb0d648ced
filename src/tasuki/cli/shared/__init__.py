"""Options, parsing, and output shared by all commands."""
