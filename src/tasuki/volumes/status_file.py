"""Persisted status of a syncer: `syncer/<volume>.json` in the data folder, and metrics for Prometheus."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.relay.state.acks import remote_file_path

__all__ = ["SyncerStatus", "format_prometheus", "list_syncer_statuses", "write_status"]

FOLDER = "syncer"


class SyncerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a syncer. Times are microseconds UTC; `errors` by project, `""` for errors of no project."""

    volume: str
    pid: int
    interval_seconds: float
    began: int
    seen: int = 0
    destination: str | None = None
    rounds: int = 0
    round_seconds: float = 0
    projects: int = 0
    """Those of which something new was seen in the last round."""
    records: int = 0
    bytes: int = 0
    failures: int = 0
    last_success: int | None = None
    errors: Mapping[str, str] = {}


decode = msgspec.json.Decoder(SyncerStatus).decode
METRICS = {
    "rounds": ("counter", "_total", "Rounds, failed ones too."),
    "round_seconds": ("gauge", "", "How long the last round took."),
    "projects": ("gauge", "", "Projects with something new in the last round."),
    "records": ("counter", "_total", "Records that newly arrived at the destination."),
    "bytes": ("counter", "_total", "Compressed bytes of records that were sent."),
    "failures": ("counter", "_total", "Errors, of projects and of whole rounds."),
    "last_success": ("gauge", "_seconds", "When a round last went well, in seconds since 1970."),
    "errors": ("gauge", "", "Projects that are in error now."),
}


def write_status(folder: Path, status: SyncerStatus) -> None:
    """Write the status as a whole. Raise OSError if the folder cannot be written."""
    replace_file(remote_file_path(folder / FOLDER, status.volume, ".json"), msgspec.json.encode(status))


def list_syncer_statuses(folder: Path) -> list[SyncerStatus]:
    """Return the status of every syncer that used the data folder; skip unreadable files."""
    found = []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            found.append(decode(path.read_bytes()))
        except (OSError, msgspec.DecodeError):
            continue
    return found


def format_prometheus(status: SyncerStatus) -> str:
    """Format the metrics as text (https://prometheus.io/docs/instrumenting/exposition_formats/)."""
    lines = []
    for name, (kind, suffix, help) in METRICS.items():
        value = getattr(status, name)
        number = len(value) if name == "errors" else (value or 0) / 1e6 if name == "last_success" else value
        full = f"tasuki_syncer_{name}{suffix}"
        lines += [f"# HELP {full} {help}", f"# TYPE {full} {kind}", f"{full} {number}"]
    return "\n".join(lines) + "\n"
