"""What there is where something was not found: the nearest names first."""

from collections.abc import Sequence
from difflib import get_close_matches

__all__ = ["there_are"]

SHOWN = 10
COMPARED = 1000
"""So many names are compared: to look at fifty thousand would take a second."""


def there_are(wanted: str, names: Sequence[str]) -> str:
    """A hint: the names that there are, the nearest to the wanted one first, and how many more."""
    compared = names[-COMPARED:]
    shown = get_close_matches(wanted, compared, n=SHOWN, cutoff=0.0)
    more = len(names) - len(shown)
    return f"there are {', '.join(shown)}" + (f" and {more:,} more; the nearest come first" if more else "")
