"""An edit: a record about a run that somebody else makes, in a stream of its own that ends with it."""

from tasuki.journal.appender import Appender
from tasuki.journal.folder import JournalFolder
from tasuki.records import Record, encode

__all__ = ["append_edit"]


def append_edit(folder: JournalFolder, project: str, run: str, record: Record) -> None:
    """Put an edit on record, to be sent to where the run is sent. JournalError if the folder can't be written."""
    appender = Appender(
        project=project,
        run=run,
        folder=folder.project_folder(project),
        lock_folder=folder.lock_folder(project),
        opening=lambda: [encode(record)],
        remote=remote_of(folder, project, run),
    )
    appender.open()
    appender.close()


def remote_of(folder: JournalFolder, project: str, run: str) -> str:
    """Where the streams of a run are sent; nowhere, if they stay here."""
    remotes = (journal.header.remote for journal in folder.journals(project=project) if journal.header.run == run)
    return next(filter(None, remotes), "")
