"""Every error that tasuki raises, split by what the caller should do.

    TasukiError
    ├── ConfigError               fix a name, a setting, or an argument
    ├── NotFound                  no such project, run, metric, or file
    ├── Conflict                  it exists already, or with other content
    ├── DataError                 the bytes are not what they should be
    │   ├── InvalidRecord         one record is unreadable; the rest can be read
    │   ├── UnrecognizedFile      not a tasuki file, or a newer format
    │   └── StoreCorrupt          a projection that must be rebuilt
    ├── JournalError              cannot write the journal: full, read-only, or gone
    │   └── LocksUnsupported      the file system has no file locks
    ├── MissingRecords            recorded data is missing where it should be
    └── RemoteError
        ├── RemoteUnavailable     wait: the remote may come back
        │   ├── RateLimited       wait: the remote accepts no more for now
        │   └── ConnectionFailed  wait: the request did not reach the remote
        └── RemoteRejected        give up, or fix what the message names
            ├── RemoteMisconfigured   fix the key, address, or version; the remote accepts nothing until then
            └── RequestRejected       send less, or leave out what the remote does not accept
                └── RequestTooLarge

Each carries a message (what failed, which one, what was found) and an optional hint (what to type).
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
    """No such thing; the hint lists existing ones."""

    exit_code = 3


class Conflict(TasukiError):
    """The thing exists already, or another process holds it."""

    exit_code = 4


class DataError(TasukiError):
    """Bytes are not what they should be."""

    exit_code = 6


class InvalidRecord(DataError):
    """One record can't be read; it is listed and skipped, and what follows is read."""


class UnrecognizedFile(DataError):
    """A file that tasuki did not write, or one of a newer format."""


class StoreCorrupt(DataError):
    """The projection is damaged; it is built again from the journals."""


class JournalError(TasukiError):
    """The journal can't be written."""


class LocksUnsupported(JournalError):
    """The file system does not support file locks."""


class MissingRecords(TasukiError):
    """Something that was recorded is missing where it should be."""

    exit_code = 6


class RemoteError(TasukiError):
    """The server did not do what was asked."""

    exit_code = 5


class RemoteUnavailable(RemoteError):
    """The server is unreachable or in trouble: retry, after the pause that it asks for."""

    def __init__(self, message: str, *, hint: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class RateLimited(RemoteUnavailable):
    """The server is well, and takes no more of us until `retry_after_seconds` have passed."""


class ConnectionFailed(RemoteUnavailable):
    """There was no connection: the server has certainly not heard of it."""


class RemoteRejected(RemoteError):
    """The server understood and refused: trying again changes nothing."""


class RemoteMisconfigured(RemoteRejected):
    """The key, the address or the version is wrong: the server takes nothing until that is put right."""


class RequestRejected(RemoteRejected):
    """The server does not take something in this request; another may pass."""


class RequestTooLarge(RequestRejected):
    """The server does not take as much at once."""
