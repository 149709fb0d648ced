"""A glance at a folder's store: what it says now, without bringing it up to date or waiting for anyone."""

from pathlib import Path
from typing import Any

import apsw

from tasuki.database.sqlite import rows
from tasuki.store.database_location import database_folder
from tasuki.store.generations import Generations

__all__ = ["glance"]

WAIT_MS = 100


def glance(folder: Path, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    """The rows of a SELECT; none where there is no store, or it is locked or damaged."""
    path = Generations(database_folder(folder)).current()
    if path is None:
        return []
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(WAIT_MS)
            return rows(db, statement, values)
        finally:
            db.close()
    except apsw.Error:
        return []
