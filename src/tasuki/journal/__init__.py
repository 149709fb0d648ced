"""Journals: append-only files of frames, one per writer; the raw truth."""

from tasuki.journal.appender import LONGEST_FILE_BYTES, Appender
from tasuki.journal.disk_reserve import RESERVE_BYTES
from tasuki.journal.edits import append_edit
from tasuki.journal.folder import JournalFileInfo, JournalFolder, UnreadableJournal
from tasuki.journal.header import JournalHeader, OwnerProcess, pid_start, read_header, this_process
from tasuki.journal.liveness import Liveness, judge, lock_file, take_lock
from tasuki.journal.maintenance import MaintenanceThread
from tasuki.journal.reader import JournalReader, open_view
from tasuki.journal.salvage import DamagedRange, IntactRange, derived_writer, find_hole
from tasuki.journal.seal import seal, sync_folder
from tasuki.journal.source import JournalSource, Source, Stream
from tasuki.journal.stop_files import control_path, read_control, write_control
from tasuki.journal.writer import SUFFIX, JournalWriter, new_header
from tasuki.names import folder_name, project_name, run_id

__all__ = [
    "LONGEST_FILE_BYTES",
    "RESERVE_BYTES",
    "SUFFIX",
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
    "control_path",
    "derived_writer",
    "find_hole",
    "folder_name",
    "judge",
    "lock_file",
    "new_header",
    "open_view",
    "pid_start",
    "project_name",
    "read_control",
    "read_header",
    "run_id",
    "seal",
    "sync_folder",
    "take_lock",
    "this_process",
    "write_control",
]
