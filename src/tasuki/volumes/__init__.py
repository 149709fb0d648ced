"""Shared volumes: replicate records of writers without credentials. Import each module by itself."""
