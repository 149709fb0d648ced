"""Metric series: chunks, summaries, and chart points."""
