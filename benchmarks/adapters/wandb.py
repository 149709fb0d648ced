"""wandb's part (offline: a LevelDB log of protobuf records per run; it ships no reader in Python, so here is one)."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import wandb
from wandb.proto.wandb_internal_pb2 import Record

from benchmarks.adapters import METRIC, PROJECT, RUN, sum_file_sizes

VERSION = wandb.__version__
BLOCK_BYTES, HEADER = 32_768, struct.Struct("<IHB")
FULL, LAST = 1, 4


def prepare(_: Path) -> None:
    """Nothing is needed."""


def start(folder: Path) -> Any:
    """Begin the run, without its monitoring of the machine."""
    settings = wandb.Settings(x_disable_stats=True, console="off")
    return wandb.init(project=PROJECT, name=RUN, dir=str(folder), mode="offline", settings=settings)


def iter_records(data: bytes) -> Iterator[bytes]:
    """The records of a LevelDB log, up to the first that is cut off."""
    place, parts = 7, b""
    while place + HEADER.size <= len(data):
        if BLOCK_BYTES - place % BLOCK_BYTES < HEADER.size:
            place += BLOCK_BYTES - place % BLOCK_BYTES
            continue
        _, length, kind = HEADER.unpack_from(data, place)
        place += HEADER.size
        if not kind or place + length > len(data):
            return
        parts += data[place : place + length]
        place += length
        if kind in {FULL, LAST}:
            yield parts
            parts = b""


def read_rows(folder: Path) -> Sequence[Any]:
    """The metric's values."""
    found = []
    for data in iter_records(next(folder.glob("wandb/offline-run-*/*.wandb")).read_bytes()):
        record = Record.FromString(data)
        if record.HasField("history"):
            found += [item.value_json for item in record.history.item if METRIC in (item.key, *item.nested_key)]
    return found


READERS = {"rows": read_rows}


def count_steps(folder: Path) -> int:
    """How many steps the log has."""
    return len(read_rows(folder))


def measure_sizes(folder: Path) -> dict[str, int]:
    """The log."""
    return {"log": sum_file_sizes(folder, "wandb/offline-run-*/*.wandb")}
