"""Requests to the processes that make runs: small files in the data folder, one an attempt, which those look at."""

import logging
import re
from pathlib import Path

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.records import StopCommand

__all__ = ["control_path", "read_control", "write_control"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
decode = msgspec.json.Decoder(StopCommand).decode
log = logging.getLogger("tasuki.journal")


def control_path(folder: Path, run: str, attempt: str) -> Path:
    """Where a request to an attempt at a run lies in a data folder."""
    return folder / "control" / f"{run}.{attempt}"


def write_control(folder: Path, control: StopCommand) -> None:
    """Leave a request where the process that makes the run looks for it. What can be no name of a run is passed over."""
    if not NAME.fullmatch(control.run) or not NAME.fullmatch(control.attempt):
        log.warning("a control message names no run: %r", control.run)
        return
    replace_file(control_path(folder, control.run, control.attempt), msgspec.json.encode(control))


def read_control(path: Path) -> StopCommand | None:
    """The request in a file; None where there is none, or none that can be read."""
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the request in %s can't be read: %s", path, error)
        return None
