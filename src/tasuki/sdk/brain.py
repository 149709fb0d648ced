"""A brain: notes outside of any run, in a folder of their own, written through to a server."""

import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tasuki.atomic_files import write_once
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError, JournalError
from tasuki.journal import Appender, JournalFolder, normalize_project_name
from tasuki.relay import SendCounts, parse_remote_url
from tasuki.sdk.notes import NotesMixin, NoteWriter
from tasuki.sdk.process_state import FINISH_DRAIN_SECONDS, PROCESS
from tasuki.settings import load

__all__ = ["Brain", "load_or_create_brain_id"]

BRAIN_FILE = "brain.json"


class BrainFile(msgspec.Struct, frozen=True):
    """The content of `brain.json`. Keys of others stay."""

    brain_id: str


class Brain(NotesMixin):
    """Notes in a folder.

    Each is on disk when its call returns, and on the server soon after, whatever happens there.

    `dir`: the brain's data folder, made where it is missing; `brain.json` in it names the brain, which is the project that its
    notes are in. `remote` (else TASUKI_REMOTE) with `token` (else TASUKI_TOKEN); without a remote the brain is local, and silent.
    What earlier processes could not send goes out as soon as a brain is opened, even if nothing is noted. `session`: the number
    of the session that notes belong to where a call names no other. `deduplicate=False`: two corrections, or two lessons, that say
    the same in one session are two; by default they are one.

    ConfigError for a bad argument, JournalError when the folder can't be written. To be used from any thread.
    """

    def __init__(
        self,
        dir: str | Path,
        remote: str | None = None,
        token: str | None = None,
        session: int | None = None,
        *,
        deduplicate: bool = True,
    ) -> None:
        self.settings = load(dir=str(dir), remote=remote, token=token)
        if self.settings.remote:
            parse_remote_url(self.settings.remote)
        self.id = load_or_create_brain_id(self.settings.dir)
        self.journal_paths: list[Path] = []
        self.closed = False
        folder = JournalFolder(self.settings.journal_root, self.settings.lock_root)
        self.appender = Appender(
            project=self.id,
            run="",
            folder=folder.project_folder(self.id),
            lock_folder=folder.lock_folder(self.id),
            on_open=self.on_journal_open,
            remote=self.settings.remote or "",
        )
        self._note_writer = NoteWriter(self.appender, session=session, deduplicate=deduplicate)
        PROCESS.enable_sending(self.settings)

    @property
    def note_writer(self) -> NoteWriter:
        """Return the note writer. Raise ConfigError once the brain is closed."""
        if self.closed:
            raise ConfigError(f"{self!r} is closed", hint="open it again: tasuki.Brain(dir)")
        return self._note_writer

    def end_session(self) -> SendCounts:
        """Wait up to 5 s for what is on its way; returns `{"sent", "pending"}`. More may be noted afterwards.

        It sends even where write-through is switched off.
        """
        return PROCESS.drain_now(self.settings, self.journal_paths, SYSTEM_CLOCK.monotonic() + FINISH_DRAIN_SECONDS)

    def close(self) -> SendCounts:
        """End the stream, and wait up to 5 s for what is on its way. Closing again changes nothing."""
        deadline = SYSTEM_CLOCK.monotonic() + FINISH_DRAIN_SECONDS
        if not self.closed:
            self.closed = True
            self.appender.close()
        return PROCESS.drain(self.settings, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Brain({str(self.settings.dir)!r}, id={self.id!r})"

    def on_journal_open(self, path: Path) -> None:
        """This process has a new journal file."""
        self.journal_paths.append(path)
        PROCESS.add_journal_file(self.settings, path)


def load_or_create_brain_id(folder: Path) -> str:
    """Return the folder's brain id, assigned by whoever opens it first.

    Raise ConfigError if it cannot be read.
    """
    path = folder / BRAIN_FILE
    try:
        with suppress(FileNotFoundError):
            return read_brain_id(path)
        write_once(path, msgspec.json.encode(BrainFile(brain_id=f"{folder.name or 'brain'}-{secrets.token_hex(4)}")) + b"\n")
        return read_brain_id(path)
    except OSError as error:
        raise JournalError(f"the brain's folder {folder} can't be written: {error.strerror or error}") from error


def read_brain_id(path: Path) -> str:
    """The id in a brain's file."""
    try:
        return normalize_project_name(msgspec.json.decode(path.read_bytes(), type=BrainFile).brain_id)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} names no brain: {error}", hint='it should say {"brain_id": "..."}') from error
