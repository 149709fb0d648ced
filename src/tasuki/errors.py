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
        └── RemoteRejected     give up, or fix what the message names

Each carries a message (what failed, which one, what was found) and, where there is one, a hint (what to type).
"""


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
    """The server can't be reached or is in trouble: wait and try again."""


class RemoteRejected(RemoteError):
    """The server understood and refused: trying again changes nothing."""
