"""Suggest existing names when one is not found, the nearest first."""

from collections.abc import Sequence
from difflib import get_close_matches

__all__ = ["suggest_names"]

MAX_SUGGESTIONS = 10
MAX_COMPARED_NAMES = 1000
"""So many names are compared: to look at fifty thousand would take a second."""


def suggest_names(name: str, names: Sequence[str]) -> str:
    """A hint: the names that there are, the nearest to the wanted one first, and how many more."""
    compared = names[-MAX_COMPARED_NAMES:]
    shown = get_close_matches(name, compared, n=MAX_SUGGESTIONS, cutoff=0.0)
    more = len(names) - len(shown)
    return f"there are {', '.join(shown)}" + (f" and {more:,} more; the nearest come first" if more else "")
