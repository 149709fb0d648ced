"""Set of 16-byte delivery ids that uses little more memory than the ids."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["IdSet", "hash_id"]

ID_BYTES = 16
ID_DTYPE = f"S{ID_BYTES}"
Column = npt.NDArray[np.bytes_]


def hash_id(kind: str, client_id: str) -> bytes:
    """The id of what a client calls so; a log and an alert of one name are two."""
    return hashlib.blake2b(f"{kind}:{client_id}".encode("utf-8", "replace"), digest_size=ID_BYTES).digest()


class IdSet:
    """Sorted columns, each at least twice as long as the next.

    A lookup is a binary search in a few of them.
    """

    def __init__(self) -> None:
        self.columns: list[Column] = []

    def add(self, ids: Sequence[bytes]) -> None:
        """Add ids that are not in it."""
        column = np.sort(build_column(ids))
        while self.columns and len(self.columns[-1]) < 2 * len(column):
            column = np.sort(np.concatenate([self.columns.pop(), column]), kind="stable")
        if len(column):
            self.columns.append(column)

    def contains(self, ids: Sequence[bytes]) -> list[bool]:
        """Of each, whether it is in it."""
        asked = build_column(ids)
        found = np.zeros(len(asked), np.bool_)
        for column in self.columns:
            places = np.minimum(np.searchsorted(column, asked), len(column) - 1)
            found |= column[places] == asked
        return [bool(one) for one in found]


def build_column(ids: Sequence[bytes]) -> Column:
    """Build an array of ids.

    All have the same length, so the trailing zeros that numpy hides do not matter.
    """
    return np.frombuffer(b"".join(ids), ID_DTYPE)
