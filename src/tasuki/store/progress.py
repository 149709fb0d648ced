"""Which runs are being recorded, and how much they have logged: for those who notice that one does not go on."""

from typing import NamedTuple

import apsw

from tasuki.store.sql import rows

__all__ = ["Logged", "logged_since"]

RECENT = "SELECT project, id, points FROM run WHERE updated > ?"


class Logged(NamedTuple):
    """How many values a run has logged."""

    project: str
    run: str
    points: int


def logged_since(db: apsw.Connection, time: int) -> list[Logged]:
    """The runs of which anything was recorded since then (microseconds UTC), if only that their process lives."""
    return [Logged(*row) for row in rows(db, RECENT, (time,))]
