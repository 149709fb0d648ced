"""Read the tables of a trackio database, of every released schema (0.0.x to 0.43), in commit order.

A row's id only grows, and whoever commits holds the database's write lock, so a later state never has a new row with an id below
the highest of an earlier one. Columns came one after the other: `log_id` by 0.17, alerts by 0.19, `run_id` with 0.24 (until then a
run was its name). No released version has `data` in alerts or a table `run_status`; where they are, they are read.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import apsw

__all__ = [
    "ALERTS",
    "APPEND_ONLY_TABLES",
    "CONFIGS",
    "METRICS",
    "STATUSES",
    "SYSTEM_METRICS",
    "FirstRow",
    "TrackioRow",
    "find_first_row",
    "find_first_rows",
    "find_highest_id",
    "has_id",
    "is_migrated",
    "iter_rows_after",
]

METRICS, SYSTEM_METRICS, ALERTS, CONFIGS, STATUSES = "metrics", "system_metrics", "alerts", "configs", "run_status"
APPEND_ONLY_TABLES = (METRICS, SYSTEM_METRICS, ALERTS)
"""The tables whose rows only ever become more."""
TABLE_COLUMNS = {
    METRICS: ("timestamp", "step", "metrics", "log_id"),
    SYSTEM_METRICS: ("timestamp", "metrics", "log_id"),
    ALERTS: ("timestamp", "step", "title", "text", "level", "alert_id", "data"),
    CONFIGS: ("created_at", "config"),
    STATUSES: ("timestamp", "updated_at", "status", "reason"),
}
Value = str | bytes | int | float | None
MIGRATED_VERSION = 2
"""The `user_version` of a schema that may have been made of an older one."""


class TrackioRow(NamedTuple):
    """A row: id, run (`run_id`, else the name), the run's name, and its columns by name."""

    id: int
    run: str
    name: str
    columns: dict[str, Value]


class FirstRow(NamedTuple):
    """The first row of a run in a table: id, time stamp, and run name."""

    id: int
    timestamp: str
    name: str


def list_columns(db: apsw.Connection, table: str) -> set[str]:
    """Return the columns of a table; none if it does not exist."""
    return {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}


def find_highest_id(db: apsw.Connection, table: str) -> int:
    """Return the highest id that a table has assigned, deleted rows included."""
    if "id" not in list_columns(db, table):
        return 0
    ((highest,),) = db.execute(f"SELECT coalesce(max(id), 0) FROM {table}")
    given = (
        list(db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))) if list_columns(db, "sqlite_sequence") else []
    )
    return max(int(highest), *(int(seq) for (seq,) in given), 0)


def is_migrated(db: apsw.Connection) -> bool:
    """Return whether runs with ids may have been known by their names alone."""
    return int(db.pragma("user_version")) >= MIGRATED_VERSION


def iter_rows_after(db: apsw.Connection, table: str, after: int) -> Iterator[TrackioRow]:
    """Yield the rows of a table after an id, by id; none if it does not exist."""
    there = list_columns(db, table)
    wanted = [name for name in TABLE_COLUMNS[table] if name in there]
    if not {"id", "run_name", *wanted[:1]} <= there or not wanted:
        return
    selected = ", ".join(["id", choose_run_key(there), "run_name", *wanted])
    for id, key, name, *values in db.execute(f"SELECT {selected} FROM {table} WHERE id > ? ORDER BY id", (after,)):
        yield TrackioRow(id, str(key), str(name), dict(zip(wanted, values, strict=True)))


def find_first_row(db: apsw.Connection, table: str, run: str | None = None) -> FirstRow | None:
    """Return the first row of a table, or of one run in it; None if there is none."""
    there = list_columns(db, table)
    if not {"id", "run_name", "timestamp"} <= there:
        return None
    key = choose_run_key(there)
    statement = f"SELECT id, timestamp, run_name FROM {table} WHERE ?1 IS NULL OR {key} = ?1 ORDER BY id LIMIT 1"
    found = list(db.execute(statement, (run,)))
    return FirstRow(int(found[0][0]), str(found[0][1]), str(found[0][2])) if found else None


def find_first_rows(db: apsw.Connection, table: str) -> dict[str, FirstRow]:
    """Return the first row of each run in a table."""
    there = list_columns(db, table)
    if not {"id", "run_name", "timestamp"} <= there:
        return {}
    key = choose_run_key(there)
    found = db.execute(f"SELECT {key}, min(id), timestamp, run_name FROM {table} GROUP BY {key}")
    return {str(run): FirstRow(int(id), str(timestamp), str(name)) for run, id, timestamp, name in found}


def choose_run_key(columns: Collection[str]) -> str:
    """Return the column that identifies runs in a table."""
    return "coalesce(run_id, run_name)" if "run_id" in columns else "run_name"


def has_id(db: apsw.Connection, table: str, id: str) -> bool:
    """Return whether a table has the row of a `log_id` or `alert_id`."""
    column = "alert_id" if table == ALERTS else "log_id"
    return column in list_columns(db, table) and bool(list(db.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (id,))))
