"""The few words around SQL statements: one row, all rows, a transaction that writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

__all__ = ["fetch_all", "fetch_one", "write_transaction"]


def fetch_all(db: apsw.Connection, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    """All rows of an answer."""
    return db.execute(statement, parameters).fetchall()


def fetch_one(db: apsw.Connection, statement: str, parameters: tuple[Any, ...] = ()) -> Any:
    """The first row of an answer; None if there is none."""
    return db.execute(statement, parameters).fetchone()


@contextmanager
def write_transaction(db: apsw.Connection) -> Iterator[None]:
    """A transaction that has the write lock from its start. apsw.BusyError if it can't be had in time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
