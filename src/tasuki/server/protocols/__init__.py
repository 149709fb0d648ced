"""Protocols of other trackers, served to their unchanged clients."""
