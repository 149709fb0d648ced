"""The state of a data folder, for people and monitors."""

import apsw
import msgspec

from tasuki.database.sqlite import fetch_all, fetch_one
from tasuki.journal import JournalFolder, Liveness
from tasuki.settings import Settings
from tasuki.store.database_location import detect_file_system, read_mounts

__all__ = ["FolderStatus", "StreamDamage", "read_folder_status"]


class StreamDamage(msgspec.Struct, frozen=True):
    """Damage in a writer's stream: from where on, and the stream that what lay behind it was saved as."""

    writer: str
    offset: int
    saved_as: str


class FolderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Status of a data folder, for `tasuki doctor`. Times are microseconds UTC."""

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


def read_folder_status(db: apsw.Connection, settings: Settings, folder: JournalFolder, store: str, missing: int) -> FolderStatus:
    """Look at everything once. To be called within a read transaction."""
    journals = list(folder.journals())
    verdicts = [folder.check_liveness(journal) for journal in journals if not journal.is_sealed]
    projects, runs, lost, last = fetch_one(
        db, "SELECT count(DISTINCT project), count(*), coalesce(sum(lost), 0), max(updated) FROM run"
    )
    return FolderStatus(
        folder=str(settings.dir),
        journal_folder=str(settings.journal_root),
        file_system=detect_file_system(settings.journal_root.resolve(), read_mounts()),
        sqlite_version=apsw.sqlite_lib_version(),
        store=store,
        projects=projects,
        runs=runs,
        notes=fetch_one(db, "SELECT count(*) FROM (SELECT DISTINCT project, event_id FROM note)")[0],
        journals=len(journals),
        sealed=len(journals) - len(verdicts),
        alive=verdicts.count(Liveness.ALIVE),
        dead=verdicts.count(Liveness.DEAD),
        unknown_owner=verdicts.count(Liveness.UNKNOWN),
        holes=[
            StreamDamage(*row) for row in fetch_all(db, 'SELECT writer, "offset", saved_as FROM hole ORDER BY writer, "offset"')
        ],
        damaged=[str(path) for path in folder.damaged_files()],
        refused=[(str(path), reason) for path, reason in folder.unreadable_journals()],
        rejected_records=fetch_one(db, "SELECT count(*) FROM rejected")[0],
        unknown_kinds=dict(fetch_all(db, "SELECT kind, count(*) FROM unknown GROUP BY kind")),
        lost_records=lost,
        missing_records=missing,
        last_record=last,
    )
