"""The provider protocol: what a backend that runs jobs implements."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from tasuki.jobs.storage.requests import JobRequest
from tasuki.records import Job, Observation

__all__ = ["BatchProvider", "Provider", "ProviderAccount", "ProviderJob", "ProviderPage", "WebhookProvider", "is_large"]

INLINE_BYTES = 256 * 1024


def is_large(value: object) -> bool:
    """Whether an input is handed over before it is submitted: a data URI that is longer."""
    return isinstance(value, str) and value.startswith("data:") and len(value) > INLINE_BYTES


class ProviderAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a provider takes our key, and whom it takes us for."""

    valid: bool
    user_info: dict[str, Any] | None = None
    error: str | None = None


class ProviderJob(NamedTuple):
    """What a provider says of one of its jobs: what is recorded of it, and what only is looked at.

    `logs`: all that it has of them. `seconds`: how long the hardware was busy. `inputs`: what it was given.
    """

    observation: Observation
    logs: str | None = None
    created: int | None = None
    seconds: float | None = None
    inputs: dict[str, Any] | None = None


class ProviderPage(NamedTuple):
    """Some of a provider's jobs, the newest first, and where the next ones are."""

    sights: list[ProviderJob]
    next: str | None


class Provider(Protocol):
    """Where jobs run. Every call may raise RemoteUnavailable (Throttled, when it was asked too often) or RemoteRejected
    (RemoteMisconfigured, when it does not take our key). To be used from one event loop.
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
    by_turns: bool
    """Its jobs wait on record for their turn (a free place, the next sync): nobody submits them at once."""

    def has_heard_of(self, job: Job, /) -> bool:
        """Whether it may know of the attempt: if not, nobody has to tell it of its end."""
        ...

    def check(self, request: JobRequest, /) -> None:
        """ConfigError for what it can't run."""
        ...

    def again(self, job: Job, request: JobRequest | None, restart: str | None, /) -> dict[str, Any]:
        """What is to be remembered of a new attempt, which begins from its inputs, or from an output of the last one.

        Conflict for a job that was not submitted here, ConfigError for an output that it can't begin from.
        """
        ...

    async def validate(self) -> ProviderAccount:
        """Whether it takes our key, and whom it takes us for; from then on `account` is known."""
        ...

    async def prepare(self, job: Job, request: JobRequest, /) -> JobRequest:
        """Hand over what is too large for a submission; returns what to submit. Doing it again does no harm."""
        ...

    async def submit(self, job: Job, request: JobRequest) -> ProviderJob:
        """Start an attempt. Not idempotent: when the answer is lost, `page` shows whether it began."""
        ...

    async def look(self, job: Job) -> ProviderJob:
        """One job. NotFound for one that it does not have."""
        ...

    async def page(self, cursor: str | None) -> ProviderPage:
        """Some of its jobs, the newest first; those behind `cursor`, or the first."""
        ...

    async def cancel(self, job: Job) -> ProviderJob:
        """End a job. Again changes nothing; one that is over stays what it is. NotFound for one that it does not have."""
        ...

    async def close(self) -> None:
        """Close connections. Jobs go on."""
        ...


@runtime_checkable
class BatchProvider(Provider, Protocol):
    """A provider that can say of many jobs at once what it otherwise says of each."""

    async def look_together(self, jobs: Sequence[Job]) -> Mapping[str, ProviderJob | None]:
        """By our id; None of one that is not there. Those that can't be asked for now are left out, unless that is so of all."""
        ...


class WebhookProvider(Protocol):
    """A provider that sends news of jobs, and signs it. `keys`: those that are known."""

    keys: list[bytes]

    async def webhook_keys(self) -> list[bytes]:
        """Ask for the keys that it may sign with. RemoteUnavailable where they can't be had."""
        ...

    def sight(self, body: dict[str, Any]) -> ProviderJob:
        """What a message says. ValueError for what is none."""
        ...
