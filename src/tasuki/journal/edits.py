"""An edit: a record about a run that somebody else makes, in a stream of its own that ends with it."""

from tasuki.journal.appender import Appender
from tasuki.journal.folder import JournalFolder
from tasuki.records import Record, encode

__all__ = ["append_edit"]


def append_edit(folder: JournalFolder, project: str, run: str, record: Record) -> None:
    """Record an edit, to be sent where the run is sent.

    Raise JournalError if the folder cannot be written.
    """
    appender = Appender(
        project=project,
        run=run,
        folder=folder.project_folder(project),
        lock_folder=folder.lock_folder(project),
        opening_payloads=lambda: [encode(record)],
        remote=find_remote(folder, project, run),
    )
    appender.open()
    appender.close()


def find_remote(folder: JournalFolder, project: str, run: str) -> str:
    """Return the remote of a run's streams; empty if they stay here."""
    remotes = (journal.header.remote for journal in folder.journals(project=project) if journal.header.run == run)
    return next(filter(None, remotes), "")
