"""State of a trackio run, derived from its stream, and the records that encode the next entry."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from tasuki.errors import InvalidRecord
from tasuki.importers.trackio.client_protocol import AlertEntry, Entry, LogEntry, StatusEntry, SystemEntry
from tasuki.importers.trackio.entry_mapping import (
    SYSTEM_PREFIX,
    build_alert,
    build_run_started,
    derive_attempt_id,
    map_metrics,
    parse_status,
    parse_time_us,
    to_storable_value,
)
from tasuki.records import (
    DeliveryIds,
    File,
    RawMetrics,
    Record,
    RunStarted,
    RunStatus,
    RunUpdated,
    decode_fast,
    encode,
    encode_metrics,
    split_frames,
)

__all__ = ["Delivery", "RunStreamState", "encode_delivery"]

ID_BYTES = 16
MAX_INLINE_CHARACTERS = 1024 * 1024
"""A longer text goes into a blob."""
StoreText = Callable[[str], object]


class Delivery(NamedTuple):
    """An entry (for an uploaded file: its record), the run name, and the id for deduplication."""

    entry: Entry | File
    run_name: str | None
    id: bytes | None = None


@dataclass
class RunStreamState:
    """State of one stream.

    `attempts` maps an attempt to the start time of its process, or None if unknown.
    """

    name: str | None = None
    attempts: dict[str, str | None] = field(default_factory=dict)
    next_system_step: int = 0
    next_step: int = 0

    def copy(self) -> "RunStreamState":
        """Return an independent copy."""
        return replace(self, attempts=dict(self.attempts))

    def read_frames(self, data: bytes) -> Iterator[bytes]:
        """Update the state from whole frames, and yield their delivery ids. Skip unreadable records."""
        for payload in split_frames(data)[1]:
            with suppress(InvalidRecord, ValueError):
                record = decode_fast(payload)
                if isinstance(record, RawMetrics):
                    self.next_step = max(self.next_step, record.step + 1)
                elif isinstance(record, DeliveryIds):
                    self.next_system_step = max(self.next_system_step, record.system)
                    yield from split_ids(record)
                elif isinstance(record, RunStarted):
                    self.add_attempt(record)
                elif isinstance(record, RunUpdated):
                    self.name = record.name or self.name

    def add_attempt(self, record: RunStarted) -> None:
        """Add an attempt as the latest, or update it."""
        self.attempts.pop(record.attempt, None)
        self.attempts[record.attempt] = record.environment.get("created")
        self.name = record.name or self.name

    @property
    def latest_attempt(self) -> str:
        """The latest attempt."""
        return next(reversed(self.attempts))

    def build_start_records(self, run: str, name: str | None, config: Mapping[str, Any] | None, now: int) -> Iterator[Record]:
        """Yield the records that must precede an entry: a new attempt, changed config, or a new name.

        trackio sends the start time of the process as `_Created` in the config; a new value means a new attempt.
        """
        created = None if config is None else config.get("_Created")
        created = None if created is None else str(created)
        if not self.attempts:
            yield self.start_attempt(derive_attempt_id(run), name, config, now)
        elif created is not None and created not in self.attempts.values():
            same = self.attempts[self.latest_attempt] is None
            attempt = self.latest_attempt if same else hashlib.sha256(f"{run} {created}".encode()).hexdigest()[:16]
            yield self.start_attempt(attempt, name, config, now)
        elif config and created is None:
            yield RunUpdated(
                time=now, config={key: to_storable_value(value) for key, value in config.items() if not key.startswith("_")}
            )
        if name and name != self.name:
            self.name = name
            yield RunUpdated(time=now, name=name)

    def start_attempt(self, attempt: str, name: str | None, config: Mapping[str, Any] | None, now: int) -> RunStarted:
        """Record the start of an attempt, and return the record."""
        record = build_run_started(attempt, name, config, now)
        self.add_attempt(record)
        return record


def split_ids(record: DeliveryIds) -> Iterator[bytes]:
    """Yield the delivery ids of a record."""
    named = bytes.fromhex(record.ids)
    yield from (named[at : at + ID_BYTES] for at in range(0, len(named) - ID_BYTES + 1, ID_BYTES))


def encode_delivery(state: RunStreamState, run: str, delivery: Delivery, now: int, store_text: StoreText) -> Iterator[bytes]:
    """Yield the encoded records of one delivery, and update the state.

    `store_text` stores a text as a blob.
    """
    said = delivery.entry
    config = said.config if isinstance(said, LogEntry) else None
    if run:
        yield from map(encode, state.build_start_records(run, delivery.run_name, config, now))
    match said:
        case LogEntry():
            step = state.next_step if said.step is None else said.step
            state.next_step = max(state.next_step, step + 1)
            yield from encode_values(said.metrics, step, parse_time_us(said.timestamp, now) if said.timestamp else now, store_text)
        case SystemEntry():
            named = {f"{SYSTEM_PREFIX}/{key}": value for key, value in said.metrics.items()}
            yield from encode_values(named, state.next_system_step, parse_time_us(said.timestamp, now), store_text)
            state.next_system_step += 1
        case AlertEntry():
            yield encode(build_alert(said, now))
        case StatusEntry() if (status := parse_status(said.status)).is_final:
            time = parse_time_us(said.timestamp, now)
            yield encode(RunStatus(time=time, attempt=state.latest_attempt, status=status, reason=said.reason))
        case File():
            yield encode(said)


def encode_values(metrics: Mapping[str, Any], step: int, time: int, store_text: StoreText) -> Iterator[bytes]:
    """Yield one record with all numbers, and one record for each value that is not a number."""
    numbers, files = map_metrics(metrics, step, time)
    if numbers:
        yield encode_metrics(time, step, numbers)
    for file in files:
        if file.content is not None and len(file.content) > MAX_INLINE_CHARACTERS:
            store_text(file.content)
            file = msgspec.structs.replace(file, content=None)
        yield encode(file)
