"""Stop requests as files, one per attempt, polled by the process that records the run."""

import logging
import re
from pathlib import Path

import msgspec

from tasuki.atomic_files import replace_file
from tasuki.records import StopCommand

__all__ = ["read_stop_file", "stop_file_path", "write_stop_file"]

NAME_PATTERN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
decode_stop_command = msgspec.json.Decoder(StopCommand).decode
log = logging.getLogger("tasuki.journal")


def stop_file_path(folder: Path, run: str, attempt: str) -> Path:
    """Return the path of an attempt's stop request in a data folder."""
    return folder / "control" / f"{run}.{attempt}"


def write_stop_file(folder: Path, command: StopCommand) -> None:
    """Write a stop request for the process that makes the run; ignore invalid run ids."""
    if not NAME_PATTERN.fullmatch(command.run) or not NAME_PATTERN.fullmatch(command.attempt):
        log.warning("a control message names no run: %r", command.run)
        return
    replace_file(stop_file_path(folder, command.run, command.attempt), msgspec.json.encode(command))


def read_stop_file(path: Path) -> StopCommand | None:
    """The request in a file; None where there is none, or none that can be read."""
    try:
        return decode_stop_command(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the request in %s can't be read: %s", path, error)
        return None
