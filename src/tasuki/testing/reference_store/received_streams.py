"""Received streams and what their records say: the basis of the reference store."""

from typing import Any

from zlib_ng.zlib_ng import crc32

from tasuki.errors import InvalidRecord
from tasuki.records import JOBS_PROJECT, Position, Record, RunDeleted, SalvagedStream, UnknownRecord, decode, iterate_frames
from tasuki.store import Dump
from tasuki.testing.reference_store.job_facts import JobFacts
from tasuki.testing.reference_store.run_facts import PlacedRecord, RunFacts

__all__ = ["ReceivedStream", "ReceivedStreams"]

MAX_INT64 = 2**63 - 1


class ReceivedStream:
    """One stream: the bytes received so far, and whether it is sealed or purged."""

    def __init__(self, project: str, run: str) -> None:
        self.project = project
        self.run = run
        self.data = b""
        self.is_sealed = False
        self.is_purged = False

    @property
    def position(self) -> Position:
        """Position of the end of the stream."""
        return Position(len(self.data), crc32(self.data))


class ReceivedStreams:
    """All streams received, by writer. Each answer decodes every record anew."""

    def __init__(self) -> None:
        self.received: dict[str, ReceivedStream] = {}

    # -- what the records say

    def records(self, project: str, run: str) -> list[PlacedRecord]:
        """Return all records of a run with their clocks, stream by stream."""
        found: list[PlacedRecord] = []
        for writer, kept in sorted(self.received.items()):
            if (kept.project, kept.run) == (project, run):
                clock = 0
                for offset, payload in iterate_frames(kept.data):
                    record = decode_or_error(payload)
                    clock = clock + 1 if isinstance(record, InvalidRecord) else max(min(record.time, MAX_INT64), clock + 1)
                    found.append((writer, offset, clock, record))
        return found

    def run_ids(self) -> list[tuple[str, str]]:
        """Return project and run of every stream that is not purged."""
        return sorted({(kept.project, kept.run) for kept in self.received.values() if not kept.is_purged})

    def dump(self) -> Dump:
        """Return the expected content of a projection, in the shape of `tasuki.store.logical_dump`."""
        return {run: self.dump_run(*run) for run in self.run_ids()}

    def dump_run(self, project: str, run: str) -> dict[str, Any]:
        """Return one run of the dump."""
        records = self.records(project, run)
        streams = []
        for writer, kept in sorted(self.received.items()):
            if (kept.project, kept.run) == (project, run) and not kept.is_purged:
                clocks = [clock for name, _, clock, _ in records if name == writer]
                streams.append((writer, *kept.position, max(clocks, default=0), len(clocks), int(kept.is_sealed)))
        found: dict[str, Any] = {
            "streams": streams,
            "rejected": [],
            "unknown": [],
            "holes": [],
            "notes": [],
            "files": [],
            "job_records": [],
        }
        if (project, run) == (JOBS_PROJECT, ""):
            found |= JobFacts(records).dump()
        if any(isinstance(record, RunDeleted) for *_, record in records):
            return found | {"deleted": True}
        facts = RunFacts(records)
        displaced = facts.misplaced_job_records(is_jobs=(project, run) == (JOBS_PROJECT, ""))
        found |= {
            "rejected": sorted((facts.rejected_records() if run else facts.invalid_records()) + displaced),
            "notes": facts.notes(),
            "files": facts.files(),
            "unknown": [(w, o, r.kind) for w, o, _, r in records if isinstance(r, UnknownRecord)],
            "holes": [(r.writer, r.hole, w, o) for w, o, _, r in records if isinstance(r, SalvagedStream)],
        }
        return found | facts.dump() if run else found


def decode_or_error(payload: bytes) -> Record | UnknownRecord | InvalidRecord:
    """Decode a record; return the error of an invalid one."""
    try:
        return decode(payload)
    except InvalidRecord as error:
        return error
