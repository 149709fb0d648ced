"""A piece of a stream, read: its records with their clocks, and its metrics as points."""

from typing import Any, NamedTuple

import numpy as np

from tasuki.errors import InvalidRecord
from tasuki.records import RawMetrics, Record, UnknownRecord, decode, decode_quickly, split
from tasuki.store.apply.metric_matrix import MetricMatrix, matrices
from tasuki.store.series.points import Column, Ints, Points

__all__ = ["LARGEST_INT", "PositionedRecord", "RecordBatch", "flat_numbers", "read_batch"]

LARGEST_INT = 2**63 - 1
Judged = Record | UnknownRecord | InvalidRecord


class PositionedRecord(NamedTuple):
    """A record, where in the piece it lies, and its clock."""

    offset: int
    clock: int
    record: Judged


class RecordBatch(NamedTuple):
    """What a piece of a stream says. `others` are all records but those of which there are points, in order."""

    records: int
    clock: int
    points: list[Points]
    others: list[PositionedRecord]


def read_batch(writer: str, data: bytes, clock: int) -> RecordBatch:
    """The records of whole frames; `clock` is that of the record before them."""
    offsets, payloads = split(data)
    if not payloads:
        return RecordBatch(0, clock, [], [])
    records: list[Judged] = [judged(payload) for payload in payloads]
    raw = [place for place, record in enumerate(records) if record.__class__ is RawMetrics]
    found = list(matrices([records[place].values for place in raw]))  # type: ignore[union-attr]
    alone = np.ones(len(records), np.bool_)
    for matrix in found:
        alone[np.array(raw)[matrix.records]] = False
    for place in raw:
        if alone[place]:
            records[place] = decoded(payloads[place])
    times = np.array([record.time if record.__class__ is RawMetrics else time_of(record) for record in records], np.int64)
    clocks = clocks_of(times, clock)
    points = []
    for matrix in found:
        places = np.array(raw)[matrix.records]
        steps = np.array([records[place].step for place in places.tolist()], np.int64)
        points.append(points_of(writer, matrix, steps, clocks[places], times[places]))
    others = [PositionedRecord(offsets[place], int(clocks[place]), records[place]) for place in np.flatnonzero(alone).tolist()]
    return RecordBatch(len(records), int(clocks[-1]), points, others)


def judged(payload: bytes) -> Judged:
    """The record, its metrics' values not yet read, or what is wrong with it."""
    try:
        return decode_quickly(payload)
    except InvalidRecord as error:
        return error


def decoded(payload: bytes) -> Judged:
    """The record, all of it, or what is wrong with it."""
    try:
        return decode(payload)
    except InvalidRecord as error:
        return error


def time_of(record: Judged) -> int:
    """When a record was made; never, for one that is none."""
    return 0 if isinstance(record, InvalidRecord) else min(record.time, LARGEST_INT)


def clocks_of(times: Ints, clock: int) -> Ints:
    """Each record's clock: its time, or one more than the clock before it if that is later."""
    places = np.arange(len(times))
    return np.maximum.accumulate(np.maximum(np.maximum(times, 0) - places, clock + 1)) + places


def points_of(writer: str, matrix: MetricMatrix, steps: Ints, clocks: Ints, times: Ints) -> Points:
    """The points of records that log the same metrics."""
    rows = np.arange(len(steps))
    columns = {name: Column(rows, np.ascontiguousarray(matrix.table[:, place])) for place, name in enumerate(matrix.metrics)}
    return Points(steps, clocks, clocks - times, np.zeros(len(steps), np.int64), [writer], columns)


def flat_numbers(values: dict[Any, Any], prefix: str = "") -> tuple[dict[str, float], list[str]]:
    """Numbers by joined names, and the names of what is none."""
    flat: dict[str, float] = {}
    odd: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            inner, inner_odd = flat_numbers(value, f"{name}/")
            flat |= inner
            odd += inner_odd
        elif isinstance(value, (bool, int, float)):
            flat[name] = float(value)
        else:
            odd.append(name)
    return flat, odd
