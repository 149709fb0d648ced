"""A piece of a stream, read: its records with their clocks, and its metrics as points."""

from typing import Any, NamedTuple

import numpy as np

from tasuki.errors import InvalidRecord
from tasuki.records import RawMetrics, Record, UnknownRecord, decode, decode_fast, split_frames
from tasuki.store.apply.metric_matrix import MetricMatrix, read_matrices
from tasuki.store.series.points import Column, Ints, Points

__all__ = ["MAX_INT64", "PositionedRecord", "RecordBatch", "flatten_numbers", "read_batch"]

MAX_INT64 = 2**63 - 1
DecodedRecord = Record | UnknownRecord | InvalidRecord


class PositionedRecord(NamedTuple):
    """A record, where in the piece it lies, and its clock."""

    offset: int
    clock: int
    record: DecodedRecord


class RecordBatch(NamedTuple):
    """Decoded records of one stream segment. `others`: every record that holds no points, in order."""

    records: int
    clock: int
    points: list[Points]
    other_records: list[PositionedRecord]


def read_batch(writer: str, data: bytes, clock: int) -> RecordBatch:
    """The records of whole frames; `clock` is that of the record before them."""
    offsets, payloads = split_frames(data)
    if not payloads:
        return RecordBatch(0, clock, [], [])
    records: list[DecodedRecord] = [decode_fast_or_error(payload) for payload in payloads]
    raw = [place for place, record in enumerate(records) if record.__class__ is RawMetrics]
    found = list(read_matrices([records[place].values for place in raw]))  # type: ignore[union-attr]
    alone = np.ones(len(records), np.bool_)
    for matrix in found:
        alone[np.array(raw)[matrix.records]] = False
    for place in raw:
        if alone[place]:
            records[place] = decode_or_error(payloads[place])
    times = np.array([record.time if record.__class__ is RawMetrics else record_time(record) for record in records], np.int64)
    clocks = compute_clocks(times, clock)
    points = []
    for matrix in found:
        places = np.array(raw)[matrix.records]
        steps = np.array([records[place].step for place in places.tolist()], np.int64)
        points.append(build_points(writer, matrix, steps, clocks[places], times[places]))
    others = [PositionedRecord(offsets[place], int(clocks[place]), records[place]) for place in np.flatnonzero(alone).tolist()]
    return RecordBatch(len(records), int(clocks[-1]), points, others)


def decode_fast_or_error(payload: bytes) -> DecodedRecord:
    """The record, its metrics' values not yet read, or what is wrong with it."""
    try:
        return decode_fast(payload)
    except InvalidRecord as error:
        return error


def decode_or_error(payload: bytes) -> DecodedRecord:
    """The record, all of it, or what is wrong with it."""
    try:
        return decode(payload)
    except InvalidRecord as error:
        return error


def record_time(record: DecodedRecord) -> int:
    """When a record was made; never, for one that is none."""
    return 0 if isinstance(record, InvalidRecord) else min(record.time, MAX_INT64)


def compute_clocks(times: Ints, clock: int) -> Ints:
    """Each record's clock: its time, or one more than the clock before it if that is later."""
    places = np.arange(len(times))
    return np.maximum.accumulate(np.maximum(np.maximum(times, 0) - places, clock + 1)) + places


def build_points(writer: str, matrix: MetricMatrix, steps: Ints, clocks: Ints, times: Ints) -> Points:
    """The points of records that log the same metrics."""
    rows = np.arange(len(steps))
    columns = {name: Column(rows, np.ascontiguousarray(matrix.table[:, place])) for place, name in enumerate(matrix.metrics)}
    return Points(steps, clocks, clocks - times, np.zeros(len(steps), np.int64), [writer], columns)


def flatten_numbers(values: dict[Any, Any], prefix: str = "") -> tuple[dict[str, float], list[str]]:
    """Numbers by joined names, and the names of what is none."""
    flat: dict[str, float] = {}
    odd: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            inner, inner_odd = flatten_numbers(value, f"{name}/")
            flat |= inner
            odd += inner_odd
        elif isinstance(value, (bool, int, float)):
            flat[name] = float(value)
        else:
            odd.append(name)
    return flat, odd
