"""Queries on the projection, one module a subject."""
