"""Shared volumes: from writers without credentials to where their records are to go. Each module is imported by itself."""
