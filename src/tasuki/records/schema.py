"""The one schema of records: what is on disk, on the wire and in memory.

A record is a tagged, array-like struct: `[kind, time, ...]`. Fields are only ever added at the end, so that old code reads new
records and new code reads old ones. `time` is the moment of the call in microseconds UTC. The run that a record is about is the
run of its writer, named in the journal's header.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec

__all__ = [
    "MACHINE",
    "Alert",
    "AlertLevel",
    "AlertReason",
    "Correction",
    "Delivered",
    "Event",
    "File",
    "Heartbeat",
    "Lesson",
    "Lost",
    "Manifest",
    "MetaRule",
    "Metrics",
    "Note",
    "NoteKind",
    "Record",
    "RunDeleted",
    "RunProgress",
    "RunStarted",
    "RunStatus",
    "RunText",
    "RunUpdated",
    "Salvaged",
    "Severity",
    "Status",
    "StopRequested",
    "Unknown",
]


MACHINE = "system/"
"""How the names of metrics begin that are of the machine and not of the run: they are logged whether the run goes on or not."""
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


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


class NoteKind(StrEnum):
    """What a note is."""

    CORRECTION = "correction"
    LESSON = "lesson"
    EVENT = "event"
    META_RULE = "meta_rule"
    MANIFEST = "manifest"


class Severity(StrEnum):
    """How much of a draft a correction changed."""

    AS_IS = "as-is"
    TRIVIAL = "trivial"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    REWRITE = "rewrite"
    DISCARDED = "discarded"


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What all records begin with."""

    time: int


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
    """The end of an attempt; the first final status of an attempt stands."""

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


class File(Record, frozen=True, kw_only=True, tag="file"):
    """A file, or a value that is no number. Its content is here if it is a short text, else in `blobs` under its sha256.

    Of one `path` there may be several records: what the latest of them leaves out, an earlier one says. One without is alone.
    `form` is what it is shown as: file, image, video, audio, html, object3d, table, histogram, markdown, trace, text or json.
    """

    path: str | None = None
    key: str | None = None
    step: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    form: str | None = None
    caption: str | None = None
    sha256: str | None = None
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    media_type: str | None = None
    content: str | None = None


class Delivered(Record, frozen=True, kw_only=True, tag="delivered"):
    """Which deliveries of a client that may send again the records before it are: 32 hex digits each.

    `system`: how many rows of system metrics the stream has with them.
    """

    ids: str
    system: int = 0


class Heartbeat(Record, frozen=True, kw_only=True, tag="heartbeat"):
    """The process lives."""


class Lost(Record, frozen=True, kw_only=True, tag="lost"):
    """Calls that could not be written (a full disk): how many, and the times of the first and the last."""

    n: int
    since: int
    until: int


class Salvaged(Record, frozen=True, kw_only=True, tag="salvaged"):
    """The first record of a stream that was saved from behind damage: whose it was, and where in it the frames lay."""

    writer: str
    hole: int
    offset: int


class Note(Record, frozen=True, kw_only=True):
    """Something that was learned, in a run or outside of any. Two with one `event_id` in a project are the same note.

    `more` holds fields of light clients that this version does not know.
    """

    event_id: str
    session: Int64 | None = None


class Correction(Note, frozen=True, kw_only=True, tag="correction"):
    """A draft, and what became of it."""

    draft: str = ""
    final: str = ""
    category: str = "UNKNOWN"
    severity: str = Severity.MINOR
    description: str = ""
    context: Any = None
    more: dict[str, Any] = {}


class Lesson(Note, frozen=True, kw_only=True, tag="lesson"):
    """Something to do, or not to do, from now on."""

    text: str = ""
    confidence: float | None = None
    category: str | None = None
    more: dict[str, Any] = {}


class Event(Note, frozen=True, kw_only=True, tag="event"):
    """Something that happened."""

    name: str = ""
    data: Any = None
    more: dict[str, Any] = {}


class MetaRule(Note, frozen=True, kw_only=True, tag="meta_rule"):
    """A rule about lessons, as a light client has it."""

    more: dict[str, Any] = {}


class Manifest(Note, frozen=True, kw_only=True, tag="manifest"):
    """What a light client says of itself."""

    more: dict[str, Any] = {}


class Unknown(msgspec.Struct, frozen=True):
    """A record of a kind that this version does not know: kept raw, noted, projected after an upgrade."""

    kind: str
    time: int
