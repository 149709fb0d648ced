"""Metrics that many records write alike, read as one matrix: the same names in the same order, with numbers of the same width.

A record's values are a MessagePack map. Where two maps of equal length differ only in the bytes of their numbers, one reading of
the first tells where the numbers of both lie.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Raw

from tasuki.store.series.points import Floats

__all__ = ["MetricMatrix", "matrices"]

FEWEST_RECORDS = 16
"""Fewer records than this are read one by one in less time."""
NUMBERS = {
    0xCA: ">f4", 0xCB: ">f8", 0xCC: ">u1", 0xCD: ">u2", 0xCE: ">u4", 0xCF: ">u8",
    0xD0: ">i1", 0xD1: ">i2", 0xD2: ">i4", 0xD3: ">i8",
}  # fmt: skip
"""MessagePack's numbers by their first byte."""
SHORT_INT = "i1"
LONG_TEXTS = {0xD9: 1, 0xDA: 2}
"""MessagePack's longer texts: how many bytes their length takes."""


class MetricMatrix(NamedTuple):
    """Values of some records: which records, the names of the metrics, a row per record."""

    records: npt.NDArray[np.int64]
    metrics: tuple[str, ...]
    table: Floats


class PayloadLayout(NamedTuple):
    """Where the numbers of a map lie, and a mask of the bytes that are none of theirs."""

    metrics: tuple[str, ...]
    numbers: list[tuple[int, str]]
    fixed: npt.NDArray[np.uint8]


def matrices(maps: Sequence[Raw]) -> Iterator[MetricMatrix]:
    """The values of the maps that can be read this way; of the others nothing is said. No map is in two matrices."""
    if len(maps) < FEWEST_RECORDS:
        return
    lengths = np.fromiter(map(len, maps), np.int64, len(maps))
    for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
        if count >= FEWEST_RECORDS:
            records = np.flatnonzero(lengths == length)
            chosen = maps if count == len(maps) else [maps[place] for place in records.tolist()]
            table = np.frombuffer(b"".join(chosen), np.uint8).reshape(-1, length)
            yield from alike(records, table)


def alike(records: npt.NDArray[np.int64], table: npt.NDArray[np.uint8]) -> Iterator[MetricMatrix]:
    """The matrices of maps of equal length."""
    while len(records) >= FEWEST_RECORDS:
        layout = layout_of(table[0].tobytes())
        if layout is None:
            return
        same = ~((table ^ table[0]) & layout.fixed).any(axis=1)
        columns = [number_column(table, *number, same) for number in layout.numbers]
        if same.sum() >= FEWEST_RECORDS:
            yield MetricMatrix(records[same], layout.metrics, np.stack(columns, axis=1)[same])
        same[0] = True
        records, table = records[~same], table[~same]


def number_column(table: npt.NDArray[np.uint8], place: int, form: str, same: npt.NDArray[np.bool_]) -> Floats:
    """The numbers at one place; `same` loses the rows that have another kind of thing there."""
    kind = np.dtype(form)
    values = np.ascontiguousarray(table[:, place : place + kind.itemsize]).view(kind)[:, 0]
    if form == SHORT_INT:
        same &= values >= -32
    return values.astype(np.float64)


def layout_of(data: bytes) -> PayloadLayout | None:
    """How a map lies; None for one that holds anything but numbers by different texts."""
    fixed = np.full(len(data), 0xFF, np.uint8)
    metrics: list[str] = []
    numbers: list[tuple[int, str]] = []
    try:
        count, place = map_head(data)
        for _ in range(count):
            start, end = text_span(data, place)
            metrics.append(data[start:end].decode())
            number = number_at(data, end)
            place = number[0] + np.dtype(number[1]).itemsize
            fixed[number[0] : place] = 0
            numbers.append(number)
    except (IndexError, LookupError, UnicodeDecodeError):
        return None
    return PayloadLayout(tuple(metrics), numbers, fixed) if len(set(metrics)) == len(metrics) > 0 else None


def map_head(data: bytes) -> tuple[int, int]:
    """How many pairs a map has, and where the first begins. LookupError for what is no map, or a giant."""
    if 0x80 <= data[0] <= 0x8F:
        return data[0] & 0x0F, 1
    if data[0] == 0xDE:
        return int.from_bytes(data[1:3]), 3
    raise LookupError(data[0])


def text_span(data: bytes, place: int) -> tuple[int, int]:
    """From where to where a text's bytes go. LookupError for what is no text, or a giant."""
    first = data[place]
    if 0xA0 <= first <= 0xBF:
        return place + 1, place + 1 + (first & 0x1F)
    start = place + 1 + LONG_TEXTS[first]
    return start, start + int.from_bytes(data[place + 1 : start])


def number_at(data: bytes, place: int) -> tuple[int, str]:
    """Where a number's bytes begin, and their form. LookupError for what is no number."""
    first = data[place]
    if first < 0x80 or first >= 0xE0:
        return place, SHORT_INT
    return place + 1, NUMBERS[first]
