"""Tables and JSON objects for the `tasuki job` commands."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.formatting import replace_control_characters
from tasuki.cli.shared.output import Table

if TYPE_CHECKING:
    from tasuki.jobs import JobView

__all__ = ["build_job_table", "build_jobs_table", "get_job_name", "get_provider_name", "job_to_dict", "strip_escape_sequences"]

COLUMNS = ["id", "name", "provider", "status", "stage", "progress", "created", "duration", "cost_usd", "sync_state"]
ESCAPE_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
"""CSI, OSC and other sequences: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/"""


def build_jobs_table(jobs: "Sequence[JobView]") -> Table:
    """Build a table with a line per job."""
    return Table(COLUMNS, [build_row(job) for job in jobs])


def build_row(job: "JobView") -> list[Any]:
    """Build a job's row."""
    from tasuki.jobs import JobStatus

    return [
        job.job_id, get_job_name(job), get_provider_name(job), JobStatus(job.status), job.stage, job.progress, job.created_at,
        get_duration(job), job.cost_usd, job.sync_state.value,
    ]  # fmt: skip


def get_provider_name(job: "JobView") -> str:
    """Return provider, and host of an HPC job."""
    site = job.metadata.get("site")
    return f"{job.provider}/{site}" if site and job.provider == "hpc" else job.provider


def get_job_name(job: "JobView") -> str:
    """Return a job's name, else its program, else its external id."""
    command, model = job.metadata.get("command"), job.metadata.get("model")
    runs = " ".join(map(str, command)) if isinstance(command, list) else model
    return str(job.config_name or runs or job.external_id or job.job_id)


def get_duration(job: "JobView") -> timedelta | None:
    """Return how long a job ran, or has run."""
    return None if job.duration_seconds is None else timedelta(seconds=job.duration_seconds)


def build_job_table(job: "JobView", *, skip_empty: bool) -> Table:
    """Build a table with a line per fact; skip empty ones for people."""
    from tasuki.jobs import JobStatus

    facts = job_to_dict(job) | {"status": JobStatus(job.status), "duration_seconds": get_duration(job)}
    facts["duration"] = facts.pop("duration_seconds")
    rows = [(name, value) for name, value in facts.items() if not skip_empty or value not in (None, {}, "")]
    return Table(["fact", "value"], rows, ["value"])


def job_to_dict(job: "JobView") -> dict[str, Any]:
    """Return a job for JSON, with the names of the HTTP API."""
    import msgspec

    return {**msgspec.structs.asdict(job), "job_type": job.job_type.value, "sync_state": job.sync_state.value}


def strip_escape_sequences(line: str) -> str:
    """Return a line without escape sequences; of a redrawn bar, the latest state."""
    parts = [part for part in ESCAPE_SEQUENCES.sub("", line).split("\r") if part]
    return replace_control_characters(parts[-1].expandtabs()) if parts else ""
