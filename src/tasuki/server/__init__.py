"""HTTP server: receive journals, project them, answer queries, and publish change events."""
