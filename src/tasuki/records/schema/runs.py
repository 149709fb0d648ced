"""Records of runs: start, status, metrics, alerts, texts, and edits."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tasuki.records.schema.record import Int64, Record

__all__ = [
    "MACHINE",
    "Alert",
    "AlertLevel",
    "AlertReason",
    "DeliveryIds",
    "Heartbeat",
    "LostCalls",
    "Metrics",
    "RunDeleted",
    "RunProgress",
    "RunStarted",
    "RunStatus",
    "RunText",
    "RunUpdated",
    "SalvagedStream",
    "Status",
    "StopRequested",
]

MACHINE = "system/"
"""How the names of metrics begin that are of the machine and not of the run: they are logged whether the run goes on or not."""


class Status(StrEnum):
    """The state of an attempt at a run. `crashed` is never recorded: it is what a reader concludes."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CRASHED = "crashed"

    @property
    def is_final(self) -> bool:
        """True for every state but running."""
        return self is not Status.RUNNING


class AlertLevel(StrEnum):
    """How loud an alert is."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def and_louder(self) -> list["AlertLevel"]:
        """This level and those that are louder."""
        levels = list(AlertLevel)
        return levels[levels.index(self) :]


class AlertReason(StrEnum):
    """What an alert of a watcher is about; an alert of a person's or a program's own has any text, or none."""

    NAN = "nan"
    MAX_VALUE = "max_value"
    MIN_VALUE = "min_value"
    SPIKE = "spike"
    PATIENCE = "patience"
    CUSTOM = "custom"
    STALLED = "stalled"


class RunStarted(Record, frozen=True, kw_only=True, tag="run.started"):
    """An attempt at a run begins. A field that is None (or empty) leaves what an earlier attempt said."""

    attempt: str
    name: str | None = None
    group: str | None = None
    notes: str | None = None
    tags: list[str] = []
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class RunUpdated(Record, frozen=True, kw_only=True, tag="run.updated"):
    """An edit of a run: the latest value of a field or of a top-level config key wins; tags are an add/remove set."""

    name: str | None = None
    group: str | None = None
    notes: str | None = None
    config: dict[str, Any] = {}
    tags_added: list[str] = []
    tags_removed: list[str] = []


class RunStatus(Record, frozen=True, kw_only=True, tag="run.status"):
    """The end of an attempt; the first final status of an attempt stands.

    That it runs is only said by who looks at it from elsewhere: then it does until its end is said, whoever has written that.
    """

    attempt: str
    status: Status
    reason: str | None = None


class RunDeleted(Record, frozen=True, kw_only=True, tag="run.deleted"):
    """The run is to be forgotten; only a tombstone stays."""


class StopRequested(Record, frozen=True, kw_only=True, tag="run.stop"):
    """Somebody asks an attempt to end: the first request for an attempt stands. `by` is who, as they call themselves."""

    attempt: str
    reason: str | None = None
    by: str | None = None


class RunProgress(Record, frozen=True, kw_only=True, tag="run.progress"):
    """How far a loop of an attempt has come: rounds done, of how many, and how many a second of late."""

    attempt: str
    done: Int64
    total: Int64 | None = None
    rate: float | None = None


class RunText(Record, frozen=True, kw_only=True, tag="run.text"):
    """A piece of text that an attempt keeps: of what its program printed (`stdout`, `stderr`), or its uncommitted changes."""

    attempt: str
    name: str
    text: str


class Metrics(Record, frozen=True, kw_only=True, tag="metrics"):
    """The values of one `log()` call: numbers by name, possibly nested. Keys that are no strings count as their text."""

    step: int
    values: dict[Any, Any]


class Alert(Record, frozen=True, kw_only=True, tag="alert"):
    """Something a person or an agent should look at."""

    title: str
    level: AlertLevel = AlertLevel.WARN
    text: str | None = None
    reason: str | None = None
    metric: str | None = None
    value: float | None = None
    step: int | None = None
    data: Mapping[str, Any] | None = None


class DeliveryIds(Record, frozen=True, kw_only=True, tag="delivered"):
    """Which deliveries of a client that may send again the records before it are: 32 hex digits each.

    `system`: how many rows of system metrics the stream has with them.
    """

    ids: str
    system: int = 0


class Heartbeat(Record, frozen=True, kw_only=True, tag="heartbeat"):
    """The process lives."""


class LostCalls(Record, frozen=True, kw_only=True, tag="lost"):
    """Calls that could not be written (a full disk): how many, and the times of the first and the last."""

    n: int
    since: int
    until: int


class SalvagedStream(Record, frozen=True, kw_only=True, tag="salvaged"):
    """The first record of a stream that was saved from behind damage: whose it was, and where in it the frames lay."""

    writer: str
    hole: int
    offset: int
