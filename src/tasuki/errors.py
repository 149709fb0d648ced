"""Every error that tasuki raises, split by what the caller should do.

    TasukiError
    ├── ConfigError          fix it: a name, a setting or an argument is wrong
    ├── NotFound             there is no such project, run, metric or file
    ├── Conflict             it exists already, or with other content
    ├── DataError            the bytes are not what they should be
    │   ├── BadRecord        one record can't be read; the rest can
    │   ├── ForeignFile      not a tasuki file, or of a newer format
    │   └── StoreDamaged     a projection that must be built again
    ├── JournalError         the journal can't be written: full, read-only, gone
    ├── IntegrityGap         something that was recorded is missing where it should be
    └── RemoteError
        ├── RemoteUnavailable  wait: it may come back
        │   ├── Throttled      wait: it takes no more for now
        │   └── Unreached      wait: nothing has arrived there
        └── RemoteRejected     give up, or fix what the message names
            ├── RemoteClosed     fix the key, the address or the version: until then it takes nothing
            └── RequestRefused   send less, or without what it does not take
                └── RequestTooLarge

Each carries a message (what failed, which one, what was found) and, where there is one, a hint (what to type).
"""

import sys
import warnings


def warn_user(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn of what happened in a call, at the line outside this package that made it."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "tasuki":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


class TasukiError(Exception):
    """The root: catch it to catch everything of ours."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(TasukiError, ValueError):
    """A name, a setting or an argument is wrong; the hint says what to type."""

    exit_code = 2


class NotFound(TasukiError, LookupError):
    """There is no such thing; the hint lists what there is."""

    exit_code = 3


class Conflict(TasukiError):
    """It exists already, or somebody else holds it."""

    exit_code = 4


class DataError(TasukiError):
    """Bytes are not what they should be."""

    exit_code = 6


class BadRecord(DataError):
    """One record can't be read; it is listed and skipped, and what follows is read."""


class ForeignFile(DataError):
    """A file that tasuki did not write, or one of a newer format."""


class StoreDamaged(DataError):
    """The projection is damaged; it is built again from the journals."""


class JournalError(TasukiError):
    """The journal can't be written."""


class IntegrityGap(TasukiError):
    """Something that was recorded is missing where it should be."""

    exit_code = 6


class RemoteError(TasukiError):
    """The server did not do what was asked."""

    exit_code = 5


class RemoteUnavailable(RemoteError):
    """The server can't be reached or is in trouble: wait, as long as it asks for if it does, and try again."""

    def __init__(self, message: str, *, hint: str | None = None, after_seconds: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.after_seconds = after_seconds


class Throttled(RemoteUnavailable):
    """The server is well, and takes no more of us until `after_seconds` have passed."""


class Unreached(RemoteUnavailable):
    """There was no connection: the server has certainly not heard of it."""


class RemoteRejected(RemoteError):
    """The server understood and refused: trying again changes nothing."""


class RemoteClosed(RemoteRejected):
    """The key, the address or the version is wrong: the server takes nothing until that is put right."""


class RequestRefused(RemoteRejected):
    """The server does not take something in this request; another may pass."""


class RequestTooLarge(RequestRefused):
    """The server does not take as much at once."""
