"""The journals of a volume as a `Source`: the view may lag, be torn, or be partial.

So nothing is concluded from what is missing, nothing is sealed, and no lock is looked at. In each round a journal costs its header,
its size and the head of the next frame, and it is read on only if that frame is whole. No file stays open between rounds: a volume
can't be reloaded then, and a reloaded one has other files under the same names, and perhaps with the same inodes.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from tasuki.errors import TasukiError
from tasuki.journal import JournalFileInfo, JournalFolder, JournalSource, Liveness, Stream, read_header
from tasuki.records import MAX_PAYLOAD_BYTES, frame_at

__all__ = ["VolumeSource"]

HEAD_BYTES = 8
READ_BYTES = 1024 * 1024


class VolumeSource:
    """A `Source` that `refresh()` updates; between two refreshes its streams do not change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = JournalSource(JournalFolder(root))
        self.ends: dict[str, int] = {}
        """By writer: up to where its frames are known to be whole."""
        self.found: dict[str, Stream] = {}
        self.errors: dict[str, str] = {}
        """By project (by folder, where that can't be read): what is wrong with one of its journals."""

    def refresh(self, known: Collection[str] = ()) -> None:
        """Look at every journal but those `known` by writer id. Raise FileNotFoundError if the volume is gone."""
        self.root.stat()
        self.files = JournalSource(JournalFolder(self.root))
        self.found, self.errors = {}, {}
        for path in self.files.folder.files(known=known):
            try:
                self.look(path)
            except FileNotFoundError:
                continue
            except TasukiError as error:
                self.errors[path.parent.name] = error.message
            except OSError as error:
                self.errors[path.parent.name] = f"{path}: {error}"

    def look(self, path: Path) -> None:
        """Look at one journal, unless nothing of it is visible yet."""
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return
            header, body = read_header(file, path)
            end = header.end if header.end is not None else size - body
            stream = self.files.stream(JournalFileInfo(path, header, end))
            if not stream.sealed:
                stream = stream._replace(size=self.grown(stream, path, file.fileno(), body))
        self.found[stream.writer] = stream

    def grown(self, stream: Stream, path: Path, file: int, body: int) -> int:
        """Return how far a growing journal is worth reading: no further than before if its next frame is torn."""
        end = self.ends.get(stream.writer, 0)
        head = os.pread(file, HEAD_BYTES, body + end)
        if len(head) < HEAD_BYTES:
            return end
        length = int.from_bytes(head[:4], "little")
        if 0 < length <= MAX_PAYLOAD_BYTES:
            if end + HEAD_BYTES + length > stream.size:
                return end
            if frame_at(os.pread(file, HEAD_BYTES + length, body + end), 0) is not None:
                return stream.size
        if any(os.pread(file, READ_BYTES, body + end)):  # zeros are what is not written yet
            self.errors[stream.project] = f"{path} is damaged, or not all here yet, at {end}"
        return end

    # -- a Source

    def streams(self, known: Collection[str] = ()) -> Iterator[Stream]:
        """Yield the streams that were found but those `known` by writer id."""
        return (stream for writer, stream in self.found.items() if writer not in known)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`, which must be a frame boundary."""
        data = self.files.read(writer, offset, limit_bytes)
        self.ends[writer] = max(self.ends.get(writer, 0), offset + len(data))
        return data

    def verdict(self, _: str) -> Liveness:
        """Return UNKNOWN liveness: processes on other machines cannot be observed."""
        return Liveness.UNKNOWN

    def close(self) -> None:
        """Close all files."""
        self.files.close()
