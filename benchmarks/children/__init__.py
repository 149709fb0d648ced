"""Processes that are measured: each runs on a job given as JSON and answers with JSON."""
