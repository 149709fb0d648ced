"""A server as the other side of a comparison: it is asked for positions, and for the sums of what it holds."""

__all__ = []
