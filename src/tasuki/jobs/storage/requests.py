"""The request of a job, as it is stored beside the job."""

from typing import Any

import msgspec

from tasuki.errors import ConfigError, Conflict
from tasuki.records import Job

__all__ = ["JobRequest", "restart_from_inputs"]


class JobRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A command on a machine, or inputs for a model.

    Stored beside the job, for its owner alone: it may hold secrets.
    """

    command: list[str] = []
    inputs: dict[str, Any] = {}
    env: dict[str, str] = {}
    cwd: str | None = None
    webhook_url: str | None = None


def restart_from_inputs(job: Job, request: JobRequest | None, restart: str | None) -> dict[str, Any]:
    """Return the metadata of a new attempt for providers that only restart from inputs."""
    if request is None:
        raise Conflict(f"job {job.id} was not submitted here: nobody knows with what", hint="submit it anew")
    if restart is not None:
        raise ConfigError(f"job {job.id} can't begin from {restart}", hint="it can only begin anew, without --from")
    return {}
