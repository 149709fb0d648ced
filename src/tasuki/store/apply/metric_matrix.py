"""Decode records with the same metric names and number widths together, as one matrix.

A record's values are a MessagePack map. Where two maps of equal length differ only in the bytes of their numbers, one reading of
the first tells where the numbers of both lie.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Raw

from tasuki.store.series.points import Floats

__all__ = ["MetricMatrix", "read_matrices"]

MIN_RECORDS = 16
"""Fewer records than this are read one by one in less time."""
NUMBER_TYPES = {
    0xCA: ">f4", 0xCB: ">f8", 0xCC: ">u1", 0xCD: ">u2", 0xCE: ">u4", 0xCF: ">u8",
    0xD0: ">i1", 0xD1: ">i2", 0xD2: ">i4", 0xD3: ">i8",
}  # fmt: skip
"""MessagePack's numbers by their first byte."""
FIXINT_TYPE = "i1"
TEXT_LENGTH_BYTES = {0xD9: 1, 0xDA: 2}
"""MessagePack's longer texts: how many bytes their length takes."""


class MetricMatrix(NamedTuple):
    """Values of some records: which records, the names of the metrics, a row per record."""

    records: npt.NDArray[np.int64]
    metrics: tuple[str, ...]
    table: Floats


class PayloadLayout(NamedTuple):
    """The positions of the numbers in an encoded map, and a mask of all other bytes."""

    metrics: tuple[str, ...]
    numbers: list[tuple[int, str]]
    fixed_mask: npt.NDArray[np.uint8]


def read_matrices(maps: Sequence[Raw]) -> Iterator[MetricMatrix]:
    """Yield matrices of the maps that share a layout; skip other maps. No map is in two matrices."""
    if len(maps) < MIN_RECORDS:
        return
    lengths = np.fromiter(map(len, maps), np.int64, len(maps))
    for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
        if count >= MIN_RECORDS:
            records = np.flatnonzero(lengths == length)
            chosen = maps if count == len(maps) else [maps[place] for place in records.tolist()]
            table = np.frombuffer(b"".join(chosen), np.uint8).reshape(-1, length)
            yield from group_by_layout(records, table)


def group_by_layout(records: npt.NDArray[np.int64], table: npt.NDArray[np.uint8]) -> Iterator[MetricMatrix]:
    """The matrices of maps of equal length."""
    while len(records) >= MIN_RECORDS:
        layout = read_layout(table[0].tobytes())
        if layout is None:
            return
        same = ~((table ^ table[0]) & layout.fixed_mask).any(axis=1)
        columns = [read_number_column(table, *number, same) for number in layout.numbers]
        if same.sum() >= MIN_RECORDS:
            yield MetricMatrix(records[same], layout.metrics, np.stack(columns, axis=1)[same])
        same[0] = True
        records, table = records[~same], table[~same]


def read_number_column(table: npt.NDArray[np.uint8], offset: int, number_type: str, matching_rows: npt.NDArray[np.bool_]) -> Floats:
    """The numbers at one place; `same` loses the rows that have another kind of thing there."""
    kind = np.dtype(number_type)
    values = np.ascontiguousarray(table[:, offset : offset + kind.itemsize]).view(kind)[:, 0]
    if number_type == FIXINT_TYPE:
        matching_rows &= values >= -32
    return values.astype(np.float64)


def read_layout(data: bytes) -> PayloadLayout | None:
    """Return the layout of an encoded map; None unless it maps distinct texts to numbers."""
    fixed = np.full(len(data), 0xFF, np.uint8)
    metrics: list[str] = []
    numbers: list[tuple[int, str]] = []
    try:
        count, place = read_map_header(data)
        for _ in range(count):
            start, end = find_text(data, place)
            metrics.append(data[start:end].decode())
            number = find_number(data, end)
            place = number[0] + np.dtype(number[1]).itemsize
            fixed[number[0] : place] = 0
            numbers.append(number)
    except (IndexError, LookupError, UnicodeDecodeError):
        return None
    return PayloadLayout(tuple(metrics), numbers, fixed) if len(set(metrics)) == len(metrics) > 0 else None


def read_map_header(data: bytes) -> tuple[int, int]:
    """Return the number of pairs and the offset of the first.

    Raise LookupError for another type or a huge map.
    """
    if 0x80 <= data[0] <= 0x8F:
        return data[0] & 0x0F, 1
    if data[0] == 0xDE:
        return int.from_bytes(data[1:3]), 3
    raise LookupError(data[0])


def find_text(data: bytes, offset: int) -> tuple[int, int]:
    """From where to where a text's bytes go. LookupError for what is no text, or a giant."""
    first = data[offset]
    if 0xA0 <= first <= 0xBF:
        return offset + 1, offset + 1 + (first & 0x1F)
    start = offset + 1 + TEXT_LENGTH_BYTES[first]
    return start, start + int.from_bytes(data[offset + 1 : start])


def find_number(data: bytes, offset: int) -> tuple[int, str]:
    """Return a number's offset and format. Raise LookupError if it is not a number."""
    first = data[offset]
    if first < 0x80 or first >= 0xE0:
        return offset, FIXINT_TYPE
    return offset + 1, NUMBER_TYPES[first]
