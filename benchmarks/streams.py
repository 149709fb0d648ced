"""Streams that are ready to be sent: what a run has logged, as the items that a sender would post."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from zlib import crc32

from benchmarks.workload import METRICS, Kind, values
from tasuki.records import FlatMetrics, Item, Record, RunStarted, RunStatus, Status, encode, frame, pack_item

__all__ = ["BEGAN_US", "PROJECT", "calls", "items", "names"]

PROJECT = "bench"
ITEM_RECORDS = 4_000
"""Records of ten floats that stay below 1 MiB."""
BEGAN_US = 1_800_000_000_000_000
CYCLE = 100_000
STEP_US = 20_000


@cache
def cycle(kind: Kind, length: int) -> list[dict[str, float]]:
    """Values that repeat only after more bytes than any compressor looks back."""
    return values(length, kind)


def calls(steps: int, kind: Kind = Kind.FLOAT64) -> Iterator[dict[str, float]]:
    """The values of that many calls, however many."""
    found = cycle(kind, min(steps, CYCLE))
    return (found[step % len(found)] for step in range(steps))


def records(run: str, logged: Iterable[Mapping[str, float]], began: int) -> Iterator[Record | FlatMetrics]:
    """A whole run."""
    last = began
    yield RunStarted(time=last, attempt="one", name=run)
    for step, metrics in enumerate(logged):
        last += STEP_US
        yield FlatMetrics(time=last, step=step, values=dict(metrics))
    yield RunStatus(time=last + STEP_US, attempt="one", status=Status.FINISHED)


def items(run: str, logged: Iterable[Mapping[str, float]], *, each: int = ITEM_RECORDS, began: int = BEGAN_US) -> Iterator[Item]:
    """The items of a run's one stream, `each` records in one; the last says that the stream is complete."""
    writer, offset, crc = secrets.token_hex(16), 0, 0
    left = records(run, logged, began)
    while batch := list(islice(left, each)):
        following = next(left, None)
        data = b"".join(frame(encode(record)) for record in batch)
        yield Item(project=PROJECT, run=run, writer=writer, offset=offset, crc=crc, sealed=following is None, data=pack_item(data))
        offset, crc = offset + len(data), crc32(data, crc)
        left = left if following is None else chain([following], left)


def names(n: int) -> list[str]:
    """Names of metrics: those of the workload; more of them are numbered."""
    return [METRICS[place % len(METRICS)] + (f"_{place}" if place >= len(METRICS) else "") for place in range(n)]
