"""The command `tasuki query`: read-only SQL on the local store."""

import sys
from typing import Annotated

import typer

from tasuki.cli.shared.messages import print_message
from tasuki.cli.shared.options import AsJson, Dir, open_local_store, warn_about_missing_records
from tasuki.cli.shared.output import Table, write_result

__all__ = ["EXAMPLES", "query"]

EXAMPLES = """\
tasuki query 'SELECT project, name, points FROM run'
tasuki query 'SELECT name, sql FROM sqlite_schema' --json
tasuki query - < question.sql"""


def query(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT statement; - reads it from stdin.")],
    limit: Annotated[int, typer.Option("--limit", metavar="ROWS", min=1, help="Print at most N rows.")] = 10_000,
    as_json: AsJson = False,
    dir: Dir = None,
) -> None:
    """Query the local store in SQL.

    It is open for reading only. The tables are not a contract: they may differ between versions. Two more are made when they are
    named: `sync_queue`, what is not acknowledged by its server yet, and `set_aside`, what a server does not take.
    """
    from tasuki.relay import build_backlog_tables

    text = sys.stdin.read() if statement == "-" else statement
    with open_local_store(dir) as store:
        columns, rows = store.sql(text, limit + 1, build_backlog_tables(store.settings))
        warn_about_missing_records(store.missing)
    if len(rows) > limit:
        print_message(f"note: the first {limit:,} rows; --limit N prints more")
    shown = [list(row) for row in rows[:limit]]
    data = {"columns": columns, "rows": shown, "complete": len(rows) <= limit}
    write_result("query/1", data, Table(columns, shown), as_json=as_json)
