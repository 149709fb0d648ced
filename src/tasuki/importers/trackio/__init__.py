"""trackio: what it writes and sends, as records of ours. Modules that read SQLite are imported by themselves."""
