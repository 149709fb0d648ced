"""Import jobs of a chasqui database: it is read once, and its jobs continue here.

Assumed are a table with `job_id`, `local_path`, `vasp_config` and the state, in a column `state` or `status`. Other columns are
kept with the job. A database without such a table is refused.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw
import msgspec

from tasuki.errors import ConfigError
from tasuki.hpc.host import Host
from tasuki.hpc.job_package import JobSpec
from tasuki.records import JobCreated, JobRecord, JobStatus, Observation

__all__ = ["read_chasqui_jobs"]

REQUIRED_COLUMNS = frozenset({"job_id", "local_path", "vasp_config"})
STATE_COLUMNS = ("state", "status")
STATES = {
    "QUEUED_LOCAL": JobStatus.PENDING,
    "UPLOADED": JobStatus.QUEUED,
    "SUBMITTED": JobStatus.QUEUED,
    "RUNNING": JobStatus.RUNNING,
    "COMPLETED": JobStatus.COMPLETED,
    "FAILED": JobStatus.FAILED,
    "KILLED": JobStatus.FAILED,
    "LOST": JobStatus.FAILED,
}
JOB_SPEC_KEYS = frozenset(JobSpec.__struct_fields__) - {"profile"}


def read_chasqui_jobs(path: Path, host: Host, now: int) -> list[list[JobRecord]]:
    """Return the records of each job in the database; the same ids at every read.

    Raise ConfigError for another database.
    """
    database = apsw.Connection(f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        table, state_column = find_jobs_table(database, path)
        cursor = database.execute(f'SELECT * FROM "{table}"')  # a name that the database itself gave
        rows = list(cursor)
        names = list_columns(database, table)
    except apsw.Error as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    finally:
        database.close()
    return [build_records(dict(zip(names, row, strict=True)), state_column, path, host, now) for row in rows]


def find_jobs_table(database: apsw.Connection, path: Path) -> tuple[str, str]:
    """Find the table of jobs, and its state column."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    for table in tables:
        columns = set(list_columns(database, table))
        if columns >= REQUIRED_COLUMNS and (state := next((name for name in STATE_COLUMNS if name in columns), None)):
            return table, state
    found = "; ".join(f"{table}: {', '.join(list_columns(database, table))}" for table in tables) or "no table"
    raise ConfigError(
        f"{path} is no database of chasqui's: it has {found}",
        hint=f"needed are {', '.join(sorted(REQUIRED_COLUMNS))} and state or status",
    )


def list_columns(database: apsw.Connection, table: str) -> list[str]:
    """Return the columns of a table, in order."""
    return [name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def build_records(row: Mapping[str, Any], state_column: str, path: Path, host: Host, now: int) -> list[JobRecord]:
    """Return the records of one job: its creation and its state."""
    old_id, word = str(row["job_id"]), str(row[state_column])
    status = STATES.get(word)
    if status is None:
        raise ConfigError(f"{path}: job {old_id} is {word!r}", hint=f"known are {', '.join(STATES)}")
    id = hashlib.sha256(f"chasqui {path} {old_id}".encode()).hexdigest()[:12]
    wanted, settings = parse_vasp_config(row["vasp_config"])
    folder = Path(str(row["local_path"])).expanduser()
    others = {name: to_json_value(value) for name, value in row.items() if name not in REQUIRED_COLUMNS | {state_column}}
    metadata = {
        "site": host.name,
        "folder": str(folder),
        "profile": "vasp",
        "wanted": wanted,
        "vasp_config": settings,
        "chasqui": others | {"job_id": old_id, "state": word},
    } | ({} if status is JobStatus.PENDING else {"hpc_id": old_id})
    created = JobCreated(
        time=now, job=id, provider="hpc", config_name=folder.name, hardware_type=host.scheduler,
        metadata=metadata,
    )  # fmt: skip
    if status is JobStatus.PENDING:
        return [created]
    error = f"chasqui had it as {word}" if status is JobStatus.FAILED else None
    return [created, Observation(time=now, job=id, source="sync", status=status, raw_status=word, error_message=error)]


def parse_vasp_config(config: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parse `vasp_config` (JSON text or nothing): the queue options in it, and all of it."""
    try:
        found = msgspec.json.decode(str(config)) if config else {}
    except msgspec.DecodeError:
        found = {}
    settings = found if isinstance(found, dict) else {}
    return {"profile": "vasp"} | {key: value for key, value in settings.items() if key in JOB_SPEC_KEYS}, settings


def to_json_value(value: object) -> object:
    """Convert a column's value for JSON."""
    return value.hex() if isinstance(value, bytes) else value
