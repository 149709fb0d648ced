"""The seam to where jobs run, and what passes through it."""

from typing import Any

import msgspec

from tasuki.errors import ConfigError, Conflict
from tasuki.records import Job

__all__ = ["JobRequest", "anew"]


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run: a command on a machine, or inputs for a model. Kept beside the job: it may hold secrets."""

    command: list[str] = []
    inputs: dict[str, Any] = {}
    env: dict[str, str] = {}
    cwd: str | None = None
    webhook_url: str | None = None


def anew(job: Job, request: JobRequest | None, restart: str | None) -> dict[str, Any]:
    """`Provider.again` where a job can only begin from its inputs."""
    if request is None:
        raise Conflict(f"job {job.id} was not submitted here: nobody knows with what", hint="submit it anew")
    if restart is not None:
        raise ConfigError(f"job {job.id} can't begin from {restart}", hint="it can only begin anew, without --from")
    return {}
