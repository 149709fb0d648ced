"""The provider protocol: what a backend that runs jobs implements."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from tasuki.jobs.storage.requests import JobRequest
from tasuki.records import Job, Observation

__all__ = ["BatchProvider", "Provider", "ProviderAccount", "ProviderJob", "ProviderPage", "WebhookProvider", "is_large"]

MAX_INLINE_BYTES = 256 * 1024


def is_large(value: object) -> bool:
    """Return whether an input must be uploaded before submission: a data URI longer than 256 KiB."""
    return isinstance(value, str) and value.startswith("data:") and len(value) > MAX_INLINE_BYTES


class ProviderAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Result of checking an API key: its validity, and the account it belongs to."""

    valid: bool
    user_info: dict[str, Any] | None = None
    error: str | None = None


class ProviderJob(NamedTuple):
    """A job as its provider reports it.

    `logs`: all of them. `seconds`: how long the hardware was busy. `inputs`: the job's inputs.
    """

    observation: Observation
    logs: str | None = None
    created: int | None = None
    seconds: float | None = None
    inputs: dict[str, Any] | None = None


class ProviderPage(NamedTuple):
    """A page of a provider's jobs, newest first, and the cursor of the next page."""

    jobs: list[ProviderJob]
    next_cursor: str | None


class Provider(Protocol):
    """A backend that runs jobs. Use it from one event loop.

    Every call may raise RemoteUnavailable (RateLimited when called too often) or RemoteRejected (RemoteMisconfigured when the API
    key is refused).
    """

    name: str
    title: str
    """As people write it."""
    account: str | None
    """Whose jobs it sees; None until `validate` has found out."""
    hardware: str | None
    """What jobs run on that name none."""
    prices: Mapping[str, float]
    """USD a second, by hardware."""
    defers_submission: bool
    """Its jobs wait on record for their turn (a free place, the next sync): nobody submits them at once."""

    def may_know_job(self, job: Job, /) -> bool:
        """Return whether the provider may know of the attempt; if not, it need not be canceled there."""
        ...

    def check_request(self, request: JobRequest, /) -> None:
        """Raise ConfigError for a request that it cannot run."""
        ...

    def build_retry_metadata(self, job: Job, request: JobRequest | None, restart: str | None, /) -> dict[str, Any]:
        """Return the metadata of a new attempt, which starts from its inputs or from an output of the last.

        Conflict for a job that was not submitted here, ConfigError for an output that it can't begin from.
        """
        ...

    async def validate(self) -> ProviderAccount:
        """Check the API key and return its account; afterwards `account` is known."""
        ...

    async def prepare(self, job: Job, request: JobRequest, /) -> JobRequest:
        """Upload what is too large for a submission; return the request to submit. Idempotent."""
        ...

    async def submit(self, job: Job, request: JobRequest) -> ProviderJob:
        """Start an attempt. Not idempotent: after a lost answer, `page` shows whether it began."""
        ...

    async def fetch_job(self, job: Job) -> ProviderJob:
        """Return one job. Raise NotFound if the provider does not have it."""
        ...

    async def list_jobs(self, cursor: str | None) -> ProviderPage:
        """Return a page of jobs, newest first: the first, or the one after `cursor`."""
        ...

    async def cancel(self, job: Job) -> ProviderJob:
        """Cancel a job. Idempotent; a finished job stays as it is. Raise NotFound for an unknown job."""
        ...

    async def close(self) -> None:
        """Close connections. Jobs continue."""
        ...


@runtime_checkable
class BatchProvider(Provider, Protocol):
    """A provider that can report many jobs in one call."""

    async def fetch_jobs(self, jobs: Sequence[Job]) -> Mapping[str, ProviderJob | None]:
        """Map job id to its state, or None if the provider does not have it.

        Omit jobs that could not be queried; raise if none could.
        """
        ...


@runtime_checkable
class WebhookProvider(Protocol):
    """A provider that sends signed webhooks. `keys`: the known signing keys."""

    keys: list[bytes]

    async def fetch_webhook_keys(self) -> list[bytes]:
        """Fetch the signing keys. Raise RemoteUnavailable if that fails."""
        ...

    def parse_webhook(self, body: dict[str, Any]) -> ProviderJob:
        """Parse a webhook body. Raise ValueError for an invalid one."""
        ...
