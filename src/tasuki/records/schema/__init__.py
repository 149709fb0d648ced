"""The one schema of records: what is on disk, on the wire and in memory.

A record is a tagged, array-like struct: `[kind, time, ...]`. Fields are only ever added at the end, so that old code reads new
records and new code reads old ones. `time` is the moment of the call in microseconds UTC. The run that a record is about is the
run of its writer, named in the journal's header.
"""

from tasuki.records.schema.files import File
from tasuki.records.schema.jobs import JOBS_PROJECT, JobCreated, JobDeleted, JobRecord, JobStatus, Observation, ProviderHealth
from tasuki.records.schema.notes import Correction, Event, Lesson, Manifest, MetaRule, Note, NoteKind, Severity
from tasuki.records.schema.record import Record, UnknownRecord
from tasuki.records.schema.runs import (
    SYSTEM_METRIC_PREFIX,
    Alert,
    AlertLevel,
    AlertReason,
    DeliveryIds,
    Heartbeat,
    LostCalls,
    Metrics,
    RunDeleted,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    SalvagedStream,
    Status,
    StopRequested,
)

__all__ = [
    "JOBS_PROJECT",
    "SYSTEM_METRIC_PREFIX",
    "Alert",
    "AlertLevel",
    "AlertReason",
    "Correction",
    "DeliveryIds",
    "Event",
    "File",
    "Heartbeat",
    "JobCreated",
    "JobDeleted",
    "JobRecord",
    "JobStatus",
    "Lesson",
    "LostCalls",
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
    "SalvagedStream",
    "Severity",
    "Status",
    "StopRequested",
    "UnknownRecord",
]
