"""Journals: append-only files of frames, one per writer; the raw truth."""

from tasuki.journal.appender import MAX_FILE_BYTES, Appender
from tasuki.journal.disk_reserve import RESERVE_BYTES
from tasuki.journal.edits import append_edit
from tasuki.journal.folder import JournalFileInfo, JournalFolder, UnreadableJournal
from tasuki.journal.header import JournalHeader, OwnerProcess, identify_current_process, read_header, read_pid_start
from tasuki.journal.liveness import Liveness, check_liveness, try_writer_lock, writer_lock_path
from tasuki.journal.maintenance import MaintenanceThread
from tasuki.journal.reader import JournalReader, open_journal
from tasuki.journal.salvage import DamagedRange, IntactRange, derive_writer_id, find_damage
from tasuki.journal.seal import seal, sync_folder
from tasuki.journal.source import JournalSource, Source, Stream
from tasuki.journal.stop_files import read_stop_file, stop_file_path, write_stop_file
from tasuki.journal.writer import JOURNAL_SUFFIX, JournalWriter, new_header
from tasuki.names import normalize_project_name, project_folder_name, validate_run_id

__all__ = [
    "JOURNAL_SUFFIX",
    "MAX_FILE_BYTES",
    "RESERVE_BYTES",
    "Appender",
    "DamagedRange",
    "IntactRange",
    "JournalFileInfo",
    "JournalFolder",
    "JournalHeader",
    "JournalReader",
    "JournalSource",
    "JournalWriter",
    "Liveness",
    "MaintenanceThread",
    "OwnerProcess",
    "Source",
    "Stream",
    "UnreadableJournal",
    "append_edit",
    "check_liveness",
    "derive_writer_id",
    "find_damage",
    "identify_current_process",
    "new_header",
    "normalize_project_name",
    "open_journal",
    "project_folder_name",
    "read_header",
    "read_pid_start",
    "read_stop_file",
    "seal",
    "stop_file_path",
    "sync_folder",
    "try_writer_lock",
    "validate_run_id",
    "write_stop_file",
    "writer_lock_path",
]
