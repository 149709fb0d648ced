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
    "JOBS",
    "MACHINE",
    "Alert",
    "AlertLevel",
    "AlertReason",
    "Correction",
    "Delivered",
    "Event",
    "File",
    "Heartbeat",
    "JobCreated",
    "JobDeleted",
    "JobFact",
    "JobStatus",
    "Lesson",
    "Lost",
    "Manifest",
    "MetaRule",
    "Metrics",
    "Note",
    "NoteKind",
    "Observation",
    "ProviderHealth",
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

JOBS = ".jobs"
"""The project of all journals that tell of jobs."""


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Attempt = Annotated[int, msgspec.Meta(ge=1, le=2**31)]


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


class JobStatus(StrEnum):
    """Where an attempt at a job stands. The last three are final: within an attempt nothing comes behind them."""

    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing more will happen in this attempt."""
        return self.rank == FINAL_RANK

    @property
    def is_active(self) -> bool:
        """Something may still happen."""
        return not self.is_final

    @property
    def rank(self) -> int:
        """How far it has come: an attempt goes to a higher rank only, and may skip some."""
        return RANKS[self]

    def may_become(self, later: "JobStatus") -> bool:
        """Whether the later one may follow within an attempt."""
        return later.rank > self.rank


FINAL_RANK = 4
RANKS = {status: min(rank, FINAL_RANK) for rank, status in enumerate(JobStatus)}


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


class JobFact(Record, frozen=True, kw_only=True):
    """What all records of jobs have in common."""


class JobCreated(JobFact, frozen=True, kw_only=True, tag="job.created"):
    """A job is known from now on: submitted here, or, with an `external_id`, found at its provider.

    `account`: whose job it is at the provider; for a process of this machine, which machine and folder. `user_id`: the name of the
    token that it was submitted with. `created`: when the provider says that it was, in microseconds UTC.
    """

    job: str
    provider: str
    account: str = ""
    external_id: str | None = None
    created: Int64 | None = None
    user_id: str | None = None
    config_name: str | None = None
    hardware_type: str | None = None
    command: list[str] = []
    metadata: dict[str, Any] = {}


class Observation(JobFact, frozen=True, kw_only=True, tag="job.observed"):
    """What was seen of an attempt at a job. None says nothing: what is known stays. Times are microseconds UTC.

    `source`: who looked (submit, sync, sync_active, poller, webhook, cancel, queue). `status` is None where the provider's own
    word, `raw_status`, is not known. `candidates`: jobs of the provider of which this may be one, or none: its answer was lost.
    """

    job: str = ""
    attempt: Attempt = 1
    source: str = ""
    status: JobStatus | None = None
    raw_status: str | None = None
    external_id: str | None = None
    started: Int64 | None = None
    ended: Int64 | None = None
    cost_usd: float | None = None
    cost_is_final: bool = False
    hardware_type: str | None = None
    error_message: str | None = None
    output_url: str | None = None
    cancel_requested: bool = False
    candidates: list[str] | None = None
    metadata: dict[str, Any] = {}


class JobDeleted(JobFact, frozen=True, kw_only=True, tag="job.deleted"):
    """The job is to be forgotten; a tombstone stays, so that it is not found again."""

    job: str


class ProviderHealth(JobFact, frozen=True, kw_only=True, tag="job.provider"):
    """A provider has stopped to answer, or answers again."""

    provider: str
    account: str = ""
    degraded: bool
    detail: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """A record of a kind that this version does not know: kept raw, noted, projected after an upgrade."""

    kind: str
    time: int
