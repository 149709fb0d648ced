"""Read the projection as it is, without catching up first."""

from pathlib import Path
from typing import Any

import apsw

from tasuki.database.sqlite import fetch_all
from tasuki.store.database_location import locate_database_folder
from tasuki.store.generations import Generations

__all__ = ["read_stale"]

BUSY_TIMEOUT_MS = 100


def read_stale(folder: Path, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
    """The rows of a SELECT; none where there is no store, or it is locked or damaged."""
    path = Generations(locate_database_folder(folder)).current()
    if path is None:
        return []
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(BUSY_TIMEOUT_MS)
            return fetch_all(db, statement, parameters)
        finally:
            db.close()
    except apsw.Error:
        return []
