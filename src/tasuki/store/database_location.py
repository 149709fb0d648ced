"""Where the databases of a data folder lie: in it, or, when it is on a network file system, in a node-local cache."""

import hashlib
import socket
from pathlib import Path

from tasuki.settings import cache_folder

__all__ = ["database_folder", "file_system"]

NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "glusterfs",
    "afs",
    "9p",
    "virtiofs",
}
MOUNTS = Path("/proc/self/mounts")


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that a path is on, from the text of /proc/self/mounts; `unknown` without it."""
    found = ("", "unknown")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        place = place.encode().decode("unicode_escape")
        if path.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def mounts_here() -> str:
    """The mount table; nothing on systems without one."""
    return MOUNTS.read_text() if MOUNTS.exists() else ""


def database_folder(data_folder: Path, mounts: str | None = None) -> Path:
    """Where to keep the databases of a data folder."""
    kind = file_system(data_folder.resolve(), mounts_here() if mounts is None else mounts)
    if kind in NETWORK or kind.startswith("fuse."):
        key = hashlib.sha256(f"{socket.gethostname()}:{data_folder.resolve()}".encode()).hexdigest()[:16]
        return cache_folder() / key
    return data_folder
