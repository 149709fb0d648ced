"""Records of runs: start, status, metrics, alerts, texts, and edits."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tasuki.records.schema.record import Int64, Record

__all__ = [
    "SYSTEM_METRIC_PREFIX",
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

SYSTEM_METRIC_PREFIX = "system/"
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
    """Level of an alert."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"

    @property
    def this_and_higher(self) -> list["AlertLevel"]:
        """This level and those that are louder."""
        levels = list(AlertLevel)
        return levels[levels.index(self) :]


class AlertReason(StrEnum):
    """Reason of a watcher's alert; alerts of users have any text, or none."""

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
    """An edit of a run: the latest value of a field or top-level config key wins.

    Tags are an add/remove set.
    """

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
    """A request that an attempt stops; its first one counts. `by`: the requester's own name."""

    attempt: str
    reason: str | None = None
    by: str | None = None


class RunProgress(Record, frozen=True, kw_only=True, tag="run.progress"):
    """Progress of a loop: rounds done, total, and recent rounds per second."""

    attempt: str
    done: Int64
    total: Int64 | None = None
    rate: float | None = None


class RunText(Record, frozen=True, kw_only=True, tag="run.text"):
    """A text of an attempt: output of its program (`stdout`, `stderr`), or its uncommitted changes."""

    attempt: str
    name: str
    text: str


class Metrics(Record, frozen=True, kw_only=True, tag="metrics"):
    """The values of one `log()` call: numbers by name, possibly nested.

    Keys that are not strings become text.
    """

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
    """Ids (32 hex digits) of the deliveries that the records before this one came in.

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
    """The first record of a salvaged stream: its original writer, and the offset of its frames there."""

    writer: str
    hole: int
    offset: int
