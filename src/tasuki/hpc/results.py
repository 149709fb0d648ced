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
from tasuki.hpc.transports.protocol import HostTransport, Told, in_shell, quiet
from tasuki.hpc.transports.tar_stream import TarContent, members

__all__ = ["FetchResult", "FileFilter", "RemoteFile", "fetch", "fetch_manifest", "parse_manifest"]

KEPT = ".before"
PART = ".tasuki-part"
FETCH_SECONDS = 6 * 3600.0
HASH_DIGITS = 64
AT_ONCE = 5000
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
    most_bytes: int | None = None

    def wants(self, file: RemoteFile) -> bool:
        """Return whether a file is selected."""
        return (self.most_bytes is None or file.bytes <= self.most_bytes) and self.wants_name(file.name)

    def wants_name(self, name: str) -> bool:
        """Return whether a name is selected."""
        names = (name, name.rpartition("/")[2])
        return matches(names, self.include) and not matches(names, self.exclude)


EVERYTHING = FileFilter()


class FetchResult(NamedTuple):
    """Result of a fetch.

    Files received, files skipped as equal, backups of replaced files, and bytes received.
    """

    files: list[str]
    unchanged: int
    kept: list[str]
    bytes: int


def matches(names: Iterable[str], patterns: Sequence[str]) -> bool:
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


async def fetch_manifest(transport: HostTransport, site: Host, job: str) -> list[RemoteFile]:
    """Return a job's files: from the manifest that it wrote at its end, else as they are now."""
    id = shlex.quote(job)
    script = (
        f"cd {in_shell(site.root)} && {{ [ -d jobs/{id} ] || {{ echo no such job >&2; exit 3; }}; }} && "
        f'if [ -e jobs/{id}/.run/manifest ] && [ -z "$(find jobs/{id} -path jobs/{id}/.run -prune -o -type f '
        f'-newer jobs/{id}/.run/manifest -print | head -n 1)" ]; '
        f"then cat jobs/{id}/.run/manifest; else sh agent.sh manifest {id}; fi"
    )
    done = await transport.exec(script, timeout=FETCH_SECONDS)
    if done.code:
        raise DataError(f"{site.name} has no files of job {job}: {done.errors.strip() or f'exit code {done.code}'}")
    return parse_manifest(done.text)


async def fetch(
    transport: HostTransport, site: Host, job: str, target: Path, selection: FileFilter = EVERYTHING, told: Told = quiet
) -> FetchResult:
    """Bring a folder up to date. Raise MissingRecords if files did not arrive whole: fetch again."""
    wanted = [file for file in await fetch_manifest(transport, site, job) if selection.wants(file)]
    missing = [file for file in wanted if not is_here(target, file)]
    arrival = FileReceiver(target, missing, told)
    for begin in range(0, len(missing), AT_ONCE):
        await transport.get_tar(tar_script(site, job, missing[begin : begin + AT_ONCE]), arrival.receive, timeout=FETCH_SECONDS)
    if gap := [file.name for file in missing if file.name not in arrival.came]:
        raise MissingRecords(
            f"{len(gap)} of {len(missing)} files of job {job} did not come as they should, {gap[0]} among them",
            hint="fetch again: they may have changed meanwhile",
        )
    return FetchResult(arrival.came, len(wanted) - len(missing), arrival.kept, sum(file.bytes for file in missing))


def tar_script(site: Host, job: str, files: Sequence[RemoteFile]) -> str:
    """Build the script that archives exactly these files."""
    names = " ".join(shlex.quote(f"./{file.name}") for file in files)
    return f"cd {in_shell(site.root)}/jobs/{shlex.quote(job)} && tar -cf - {names}"


class FileReceiver:
    """Receives files and puts each in place."""

    def __init__(self, target: Path, files: Sequence[RemoteFile], told: Told) -> None:
        self.target = target
        self.told = told
        self.total, self.done = sum(file.bytes for file in files), 0
        self.expected = {file.name: file for file in files}
        self.came: list[str] = []
        self.kept: list[str] = []

    def receive(self, stream: BinaryIO) -> None:
        """Read a stream to its end."""
        for name, content in members(stream):
            if (file := self.expected.get(name)) and self.placed(file, content):
                self.came.append(name)

    def placed(self, file: RemoteFile, content: TarContent) -> bool:
        """Write a file beside its place, verify it, and move it there; keep a backup of the old one."""
        path = self.target / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}{PART}")
        digest = hashlib.sha256()
        with part.open("wb") as opened:
            while piece := content.read():
                self.done += len(piece)
                self.told("fetch", self.done, self.total)
                digest.update(piece)
                opened.write(piece)
        if digest.hexdigest() != file.sha256:
            part.unlink()
            return False
        if path.exists():
            self.kept.append(set_aside(path))
        part.replace(path)
        return True


def is_here(target: Path, file: RemoteFile) -> bool:
    """Return whether a local file equals the remote one."""
    path = target / file.name
    return path.is_file() and path.stat().st_size == file.bytes and sha256_of(path) == file.sha256


def sha256_of(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def set_aside(path: Path) -> str:
    """Move a file to a free name."""
    number = 1
    while (aside := path.with_name(f"{path.name}{KEPT}-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside.name
