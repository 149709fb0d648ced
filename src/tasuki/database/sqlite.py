"""The few words around SQL statements: one row, all rows, a transaction that writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

__all__ = ["immediate", "one", "rows"]


def rows(db: apsw.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """All rows of an answer."""
    return db.execute(statement, values).fetchall()


def one(db: apsw.Connection, statement: str, values: tuple[Any, ...] = ()) -> Any:
    """The first row of an answer; None if there is none."""
    return db.execute(statement, values).fetchone()


@contextmanager
def immediate(db: apsw.Connection) -> Iterator[None]:
    """A transaction that has the write lock from its start. apsw.BusyError if it can't be had in time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
