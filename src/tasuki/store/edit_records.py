"""Edits of runs: records later than all that their author knew."""

from collections.abc import Callable

from tasuki.clock import Clock
from tasuki.errors import ConfigError
from tasuki.records import Record, RunDeleted, RunEdit, RunRow, RunUpdated

__all__ = ["Edit", "changed", "deleted", "later"]

LONGEST_CHANGE = 1_000_000
"""Characters, in all."""

Edit = Callable[[int], Record]
"""A record, once it is known of which time it has to be."""


def changed(change: RunEdit) -> Edit:
    """A change of a run's fields and tags. ConfigError for one that changes nothing or names a run with nothing."""
    if change == RunEdit():
        raise ConfigError("nothing is to be changed", hint="give tags, a name, a group or notes")
    if change.name is not None and not change.name.strip():
        raise ConfigError("a run can't be named with nothing", hint="leave the name out to keep it")
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    if (size := sum(len(part) for field in fields.values() for part in field or ())) > LONGEST_CHANGE:
        raise ConfigError(f"the change has {size:,} characters; {LONGEST_CHANGE:,} are the most")
    return lambda time: RunUpdated(time=time, **fields)


def deleted() -> Edit:
    """The end of a run."""
    return lambda time: RunDeleted(time=time)


def later(row: RunRow, clock: Clock) -> int:
    """A time that is later than all that is known of a run, whatever the clocks of those who recorded it say."""
    return max(clock.now_us(), row.updated + 1)
