"""Location of a data folder's databases.

In the folder, or in a node-local cache on network file systems.
"""

import hashlib
import socket
from pathlib import Path

from tasuki.settings import cache_folder

__all__ = ["detect_file_system", "locate_database_folder"]

NETWORK_FILE_SYSTEMS = {
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
MOUNTS_FILE = Path("/proc/self/mounts")


def detect_file_system(path: Path, mounts: str) -> str:
    """Return the type of a path's file system, from the text of /proc/self/mounts; `unknown` without it."""
    found = ("", "unknown")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        place = place.encode().decode("unicode_escape")
        if path.is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def read_mounts() -> str:
    """The mount table; nothing on systems without one."""
    return MOUNTS_FILE.read_text() if MOUNTS_FILE.exists() else ""


def locate_database_folder(data_folder: Path, mounts: str | None = None) -> Path:
    """Return the folder of a data folder's databases."""
    kind = detect_file_system(data_folder.resolve(), read_mounts() if mounts is None else mounts)
    if kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
        key = hashlib.sha256(f"{socket.gethostname()}:{data_folder.resolve()}".encode()).hexdigest()[:16]
        return cache_folder() / key
    return data_folder
