"""The state of a data folder, for people and monitors."""

import apsw
import msgspec

from tasuki.database.sqlite import one, rows
from tasuki.journal import JournalFolder, Liveness
from tasuki.settings import Settings
from tasuki.store.database_location import file_system, mounts_here

__all__ = ["FolderStatus", "StreamDamage", "condition"]


class StreamDamage(msgspec.Struct, frozen=True):
    """Damage in a writer's stream: from where on, and the stream that what lay behind it was saved as."""

    writer: str
    offset: int
    saved_as: str


class FolderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `tasuki doctor` shows. Times are microseconds UTC."""

    folder: str
    journal_folder: str
    file_system: str
    sqlite_version: str
    store: str
    projects: int
    runs: int
    notes: int
    journals: int
    sealed: int
    alive: int
    dead: int
    unknown_owner: int
    holes: list[StreamDamage]
    damaged: list[str]
    refused: list[tuple[str, str]]
    rejected_records: int
    unknown_kinds: dict[str, int]
    lost_records: int
    missing_records: int
    last_record: int | None


def condition(db: apsw.Connection, settings: Settings, folder: JournalFolder, store: str, missing: int) -> FolderStatus:
    """Look at everything once. To be called within a read transaction."""
    journals = list(folder.journals())
    verdicts = [folder.judge(journal) for journal in journals if not journal.sealed]
    projects, runs, lost, last = one(db, "SELECT count(DISTINCT project), count(*), coalesce(sum(lost), 0), max(updated) FROM run")
    return FolderStatus(
        folder=str(settings.dir),
        journal_folder=str(settings.journal_root),
        file_system=file_system(settings.journal_root.resolve(), mounts_here()),
        sqlite_version=apsw.sqlite_lib_version(),
        store=store,
        projects=projects,
        runs=runs,
        notes=one(db, "SELECT count(*) FROM (SELECT DISTINCT project, event_id FROM note)")[0],
        journals=len(journals),
        sealed=len(journals) - len(verdicts),
        alive=verdicts.count(Liveness.ALIVE),
        dead=verdicts.count(Liveness.DEAD),
        unknown_owner=verdicts.count(Liveness.UNKNOWN),
        holes=[StreamDamage(*row) for row in rows(db, 'SELECT writer, "offset", saved_as FROM hole ORDER BY writer, "offset"')],
        damaged=[str(path) for path in folder.damaged()],
        refused=[(str(path), reason) for path, reason in folder.refused()],
        rejected_records=one(db, "SELECT count(*) FROM rejected")[0],
        unknown_kinds=dict(rows(db, "SELECT kind, count(*) FROM unknown GROUP BY kind")),
        lost_records=lost,
        missing_records=missing,
        last_record=last,
    )
