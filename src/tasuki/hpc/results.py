"""Fetch results: missing or changed files as one stream, verified by hash, then put in place.

A file is written beside its place and renamed when its hash is right, so a cut connection leaves whole files only, and the next
fetch gets the rest. What is in the way is kept under another name.
"""

import hashlib
import os
import shlex
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tasuki.errors import DataError, MissingRecords
from tasuki.hpc.host import Host
from tasuki.hpc.transports.protocol import HostTransport, ProgressCallback, ignore_progress, quote_path
from tasuki.hpc.transports.tar_stream import TarContent, iter_members

__all__ = ["FetchResult", "FileFilter", "RemoteFile", "fetch_manifest", "fetch_results", "parse_manifest"]

BACKUP_SUFFIX = ".before"
PART_SUFFIX = ".tasuki-part"
FETCH_TIMEOUT_SECONDS = 6 * 3600.0
HASH_DIGITS = 64
MAX_NAMES_PER_COMMAND = 5000
"""Names of files that a command can be given."""


class RemoteFile(NamedTuple):
    """A file at the host."""

    name: str
    bytes: int
    sha256: str


class FileFilter(NamedTuple):
    """Selects files by name (or its last part) and by size."""

    include: Sequence[str] = ("*",)
    exclude: Sequence[str] = ()
    max_bytes: int | None = None

    def matches(self, file: RemoteFile) -> bool:
        """Return whether a file is selected."""
        return (self.max_bytes is None or file.bytes <= self.max_bytes) and self.matches_name(file.name)

    def matches_name(self, name: str) -> bool:
        """Return whether a name is selected."""
        names = (name, name.rpartition("/")[2])
        return matches_any(names, self.include) and not matches_any(names, self.exclude)


ALL_FILES = FileFilter()


class FetchResult(NamedTuple):
    """Result of a fetch.

    Files received, files skipped as equal, backups of replaced files, and bytes received.
    """

    files: list[str]
    unchanged: int
    kept: list[str]
    bytes: int


def matches_any(names: Iterable[str], patterns: Sequence[str]) -> bool:
    """Return whether a name matches a pattern."""
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def parse_manifest(text: str) -> list[RemoteFile]:
    """Parse a manifest: hash, size, and name in hex per line. Raise DataError if invalid."""
    found = []
    for line in text.splitlines():
        hash, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        try:
            found.append(RemoteFile(os.fsdecode(bytes.fromhex(name)), int(size), hash))
        except ValueError:
            raise DataError(f"{line[:80]!r} is no line of a manifest") from None
        if len(hash) != HASH_DIGITS:
            raise DataError("the manifest has no hashes", hint="sha256sum or shasum must be there")
    return found


async def fetch_manifest(transport: HostTransport, host: Host, job: str) -> list[RemoteFile]:
    """Return a job's files: from the manifest that it wrote at its end, else as they are now."""
    id = shlex.quote(job)
    script = (
        f"cd {quote_path(host.root)} && {{ [ -d jobs/{id} ] || {{ echo no such job >&2; exit 3; }}; }} && "
        f'if [ -e jobs/{id}/.run/manifest ] && [ -z "$(find jobs/{id} -path jobs/{id}/.run -prune -o -type f '
        f'-newer jobs/{id}/.run/manifest -print | head -n 1)" ]; '
        f"then cat jobs/{id}/.run/manifest; else sh agent.sh manifest {id}; fi"
    )
    done = await transport.exec(script, timeout=FETCH_TIMEOUT_SECONDS)
    if done.code:
        raise DataError(f"{host.name} has no files of job {job}: {done.errors.strip() or f'exit code {done.code}'}")
    return parse_manifest(done.text)


async def fetch_results(
    transport: HostTransport,
    host: Host,
    job: str,
    target: Path,
    file_filter: FileFilter = ALL_FILES,
    on_progress: ProgressCallback = ignore_progress,
) -> FetchResult:
    """Bring a folder up to date. Raise MissingRecords if files did not arrive whole: fetch again."""
    wanted = [file for file in await fetch_manifest(transport, host, job) if file_filter.matches(file)]
    missing = [file for file in wanted if not is_unchanged(target, file)]
    arrival = FileReceiver(target, missing, on_progress)
    for begin in range(0, len(missing), MAX_NAMES_PER_COMMAND):
        await transport.get_tar(
            build_tar_script(host, job, missing[begin : begin + MAX_NAMES_PER_COMMAND]),
            arrival.receive,
            timeout=FETCH_TIMEOUT_SECONDS,
        )
    if gap := [file.name for file in missing if file.name not in arrival.stored_names]:
        raise MissingRecords(
            f"{len(gap)} of {len(missing)} files of job {job} did not come as they should, {gap[0]} among them",
            hint="fetch again: they may have changed meanwhile",
        )
    return FetchResult(arrival.stored_names, len(wanted) - len(missing), arrival.backup_names, sum(file.bytes for file in missing))


def build_tar_script(host: Host, job: str, files: Sequence[RemoteFile]) -> str:
    """Build the script that archives exactly these files."""
    names = " ".join(shlex.quote(f"./{file.name}") for file in files)
    return f"cd {quote_path(host.root)}/jobs/{shlex.quote(job)} && tar -cf - {names}"


class FileReceiver:
    """Receives files and puts each in place."""

    def __init__(self, target: Path, files: Sequence[RemoteFile], on_progress: ProgressCallback) -> None:
        self.target = target
        self.on_progress = on_progress
        self.total_bytes, self.received_bytes = sum(file.bytes for file in files), 0
        self.expected = {file.name: file for file in files}
        self.stored_names: list[str] = []
        self.backup_names: list[str] = []

    def receive(self, stream: BinaryIO) -> None:
        """Read a stream to its end."""
        for name, content in iter_members(stream):
            if (file := self.expected.get(name)) and self.store_file(file, content):
                self.stored_names.append(name)

    def store_file(self, file: RemoteFile, content: TarContent) -> bool:
        """Write a file beside its place, verify it, and move it there; keep a backup of the old one."""
        path = self.target / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}{PART_SUFFIX}")
        digest = hashlib.sha256()
        with part.open("wb") as opened:
            while piece := content.read():
                self.received_bytes += len(piece)
                self.on_progress("fetch", self.received_bytes, self.total_bytes)
                digest.update(piece)
                opened.write(piece)
        if digest.hexdigest() != file.sha256:
            part.unlink()
            return False
        if path.exists():
            self.backup_names.append(rename_to_backup(path))
        part.replace(path)
        return True


def is_unchanged(target: Path, file: RemoteFile) -> bool:
    """Return whether a local file equals the remote one."""
    path = target / file.name
    return path.is_file() and path.stat().st_size == file.bytes and compute_sha256(path) == file.sha256


def compute_sha256(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def rename_to_backup(path: Path) -> str:
    """Move a file to a free name."""
    number = 1
    while (aside := path.with_name(f"{path.name}{BACKUP_SUFFIX}-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside.name
