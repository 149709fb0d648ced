"""Edits of runs: records later than all that their author knew."""

from collections.abc import Callable

from tasuki.clock import Clock
from tasuki.errors import ConfigError
from tasuki.records import Record, RunDeleted, RunEdit, RunRow, RunUpdated

__all__ = ["EditBuilder", "build_deletion", "build_update", "compute_edit_time"]

MAX_CHANGE_CHARACTERS = 1_000_000
"""Characters, in all."""

EditBuilder = Callable[[int], Record]
"""A record, once it is known of which time it has to be."""


def build_update(change: RunEdit) -> EditBuilder:
    """Build an edit of fields and tags. Raise ConfigError if it changes nothing, or sets an empty name."""
    if change == RunEdit():
        raise ConfigError("nothing is to be changed", hint="give tags, a name, a group or notes")
    if change.name is not None and not change.name.strip():
        raise ConfigError("a run can't be named with nothing", hint="leave the name out to keep it")
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    if (size := sum(len(part) for field in fields.values() for part in field or ())) > MAX_CHANGE_CHARACTERS:
        raise ConfigError(f"the change has {size:,} characters; {MAX_CHANGE_CHARACTERS:,} are the most")
    return lambda time: RunUpdated(time=time, **fields)


def build_deletion() -> EditBuilder:
    """The end of a run."""
    return lambda time: RunDeleted(time=time)


def compute_edit_time(row: RunRow, clock: Clock) -> int:
    """Return a time later than every record of the run, whatever the writers' clocks say."""
    return max(clock.now_us(), row.updated + 1)
