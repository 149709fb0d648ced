"""Which deliveries are here already: a set of 16-byte ids that takes little more room than they do."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["IdSet", "id_of"]

SIZE = 16
KIND = f"S{SIZE}"
Column = npt.NDArray[np.bytes_]


def id_of(kind: str, given: str) -> bytes:
    """The id of what a client calls so; a log and an alert of one name are two."""
    return hashlib.blake2b(f"{kind}:{given}".encode("utf-8", "replace"), digest_size=SIZE).digest()


class IdSet:
    """Sorted columns, each at least twice as long as the next: a lookup is a binary search in a few of them."""

    def __init__(self) -> None:
        self.columns: list[Column] = []

    def add(self, ids: Sequence[bytes]) -> None:
        """Add ids that are not in it."""
        column = np.sort(column_of(ids))
        while self.columns and len(self.columns[-1]) < 2 * len(column):
            column = np.sort(np.concatenate([self.columns.pop(), column]), kind="stable")
        if len(column):
            self.columns.append(column)

    def known(self, ids: Sequence[bytes]) -> list[bool]:
        """Of each, whether it is in it."""
        asked = column_of(ids)
        found = np.zeros(len(asked), np.bool_)
        for column in self.columns:
            places = np.minimum(np.searchsorted(column, asked), len(column) - 1)
            found |= column[places] == asked
        return [bool(one) for one in found]


def column_of(ids: Sequence[bytes]) -> Column:
    """Ids as an array. All have the same length, so zeros at an id's end, which this kind of array hides, count all the same."""
    return np.frombuffer(b"".join(ids), KIND)
