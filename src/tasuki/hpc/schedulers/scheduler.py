"""Interface of a scheduler."""

from collections.abc import Callable
from typing import NamedTuple

from tasuki.hpc.schedulers.resources import Resources

__all__ = ["QueuedJob", "Scheduler", "get_job_number"]


class QueuedJob(NamedTuple):
    """A job in a scheduler's list. Its name may be cut."""

    id: str
    name: str
    state: str
    """The scheduler's own word for its state."""
    is_running: bool
    reason: str = ""


class Scheduler(NamedTuple):
    """Facts, and functions that only build and parse text."""

    build_directives: Callable[[Resources], list[str]]
    """Lines for the head of a script."""
    parse_queue: Callable[[str], list[QueuedJob]]
    """One a job; a job that is absent is unknown, not failed."""
    parse_submission: Callable[[str], str | None]
    """The new job's id, among whatever else was said; None where there is none."""


def get_job_number(id: str) -> str:
    """Return the part of an id that every output has: `123` of `123.server` and `123;cluster`.

    `123[]` of an array's.
    """
    return id.partition(".")[0].partition(";")[0]
