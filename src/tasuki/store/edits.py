"""Edits of runs: records later than all that their author knew, each in a sealed stream of its run."""

from collections.abc import Callable
from typing import Any

from tasuki.clock import Clock
from tasuki.errors import ConfigError, JournalError
from tasuki.journal import Folder, Writer, new_header, seal
from tasuki.records import MAX_PAYLOAD_BYTES, Change, Record, RunDeleted, RunRow, RunUpdated, encode

__all__ = ["Edit", "append_edit", "changed", "deleted", "later"]

Edit = Callable[[int], Record]
"""A record, once it is known of which time it has to be."""


def changed(change: Change) -> Edit:
    """A change of a run's fields and tags. ConfigError for one that changes nothing or names a run with nothing."""
    if change == Change():
        raise ConfigError("nothing is to be changed", hint="give tags, a name, a group or notes")
    if change.name is not None and not change.name.strip():
        raise ConfigError("a run can't be named with nothing", hint="leave the name out to keep it")
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return lambda time: RunUpdated(time=time, **fields)


def deleted() -> Edit:
    """The end of a run."""
    return lambda time: RunDeleted(time=time)


def later(row: RunRow, clock: Clock) -> int:
    """A time that is later than all that is known of a run, whatever the clocks of those who recorded it say."""
    return max(clock.now_us(), row.updated + 1)


def append_edit(folder: Folder, row: RunRow, edit: Edit, remote: str, clock: Clock) -> None:
    """Put an edit on the disk: in a stream of its own, sealed, and for the remote that the run is for.

    JournalError if the folder can't be written.
    """
    payload = payload_of(edit(later(row, clock)))
    remotes = [journal.header.remote for journal in folder.journals(project=row.project) if journal.header.run == row.id]
    header = new_header(row.project, row.id, created=clock.now_us(), remote=next(filter(None, reversed(remotes)), remote))
    place, locks = folder.project_folder(row.project), folder.lock_folder(row.project)
    try:
        for needed in (place, locks):
            needed.mkdir(parents=True, exist_ok=True)
        writer = Writer.create(header, place, locks, [payload])
        writer.retire()
        seal(writer.path)
        writer.release()
    except OSError as error:
        raise JournalError(f"the journal folder {place} can't be written: {error.strerror or error}") from error


def payload_of(record: Any) -> bytes:
    """The record's bytes. ConfigError for one that is too long."""
    payload = encode(record)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ConfigError(f"the change has {len(payload):,} bytes; {MAX_PAYLOAD_BYTES:,} are the most")
    return payload
