"""Jobs as the command line shows them."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tasuki.cli.shared.formatting import printable
from tasuki.cli.shared.output import Table

if TYPE_CHECKING:
    from tasuki.jobs import JobView

__all__ = ["job_data", "job_table", "jobs_table", "name_of", "place_of", "plain_line"]

COLUMNS = ["id", "name", "provider", "status", "stage", "progress", "created", "duration", "cost_usd", "sync_state"]
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
"""CSI, OSC and other sequences: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/"""


def jobs_table(jobs: "Sequence[JobView]") -> Table:
    """A line a job."""
    return Table(COLUMNS, [cells(job) for job in jobs])


def cells(job: "JobView") -> list[Any]:
    """A job as a line of the list."""
    from tasuki.jobs import JobStatus

    return [
        job.job_id, name_of(job), place_of(job), JobStatus(job.status), job.stage, job.progress, job.created_at, duration(job),
        job.cost_usd, job.sync_state.value,
    ]  # fmt: skip


def place_of(job: "JobView") -> str:
    """Where it runs: the provider, and which host of it."""
    site = job.metadata.get("site")
    return f"{job.provider}/{site}" if site and job.provider == "hpc" else job.provider


def name_of(job: "JobView") -> str:
    """What it is called, else what it runs, else what its provider calls it."""
    command, model = job.metadata.get("command"), job.metadata.get("model")
    runs = " ".join(map(str, command)) if isinstance(command, list) else model
    return str(job.config_name or runs or job.external_id or job.job_id)


def duration(job: "JobView") -> timedelta | None:
    """How long it ran, or has run by now."""
    return None if job.duration_seconds is None else timedelta(seconds=job.duration_seconds)


def job_table(job: "JobView", *, only_known: bool) -> Table:
    """A fact a line; a person is not shown those that there are not."""
    from tasuki.jobs import JobStatus

    facts = job_data(job) | {"status": JobStatus(job.status), "duration_seconds": duration(job)}
    facts["duration"] = facts.pop("duration_seconds")
    rows = [(name, value) for name, value in facts.items() if not only_known or value not in (None, {}, "")]
    return Table(["fact", "value"], rows, ["value"])


def job_data(job: "JobView") -> dict[str, Any]:
    """A job as JSON has it: the names that HTTP has."""
    import msgspec

    return {**msgspec.structs.asdict(job), "job_type": job.job_type.value, "sync_state": job.sync_state.value}


def plain_line(line: str) -> str:
    """A line without what would steer a terminal; of a bar that is drawn over itself, its latest state."""
    parts = [part for part in ESCAPES.sub("", line).split("\r") if part]
    return printable(parts[-1].expandtabs()) if parts else ""
