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
from tasuki.records import MAX_PAYLOAD_BYTES, find_frame_end

__all__ = ["VolumeSource"]

FRAME_HEADER_BYTES = 8
READ_BYTES = 1024 * 1024


class VolumeSource:
    """A `Source` that `refresh()` updates; between two refreshes its streams do not change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.journal_source = JournalSource(JournalFolder(root))
        self.whole_until: dict[str, int] = {}
        """By writer: up to where its frames are known to be whole."""
        self.found_streams: dict[str, Stream] = {}
        self.errors: dict[str, str] = {}
        """By project (by folder, where that can't be read): what is wrong with one of its journals."""

    def refresh(self, exclude: Collection[str] = ()) -> None:
        """Look at every journal but those `known` by writer id. Raise FileNotFoundError if the volume is gone."""
        self.root.stat()
        self.journal_source = JournalSource(JournalFolder(self.root))
        self.found_streams, self.errors = {}, {}
        for path in self.journal_source.folder.files(exclude=exclude):
            try:
                self.inspect_journal(path)
            except FileNotFoundError:
                continue
            except TasukiError as error:
                self.errors[path.parent.name] = error.message
            except OSError as error:
                self.errors[path.parent.name] = f"{path}: {error}"

    def inspect_journal(self, path: Path) -> None:
        """Look at one journal, unless nothing of it is visible yet."""
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return
            header, body = read_header(file, path)
            end = header.end if header.end is not None else size - body
            stream = self.journal_source.register_journal(JournalFileInfo(path, header, end))
            if not stream.is_sealed:
                stream = stream._replace(size=self.compute_readable_size(stream, path, file.fileno(), body))
        self.found_streams[stream.writer] = stream

    def compute_readable_size(self, stream: Stream, path: Path, descriptor: int, body: int) -> int:
        """Return how far a growing journal is worth reading: no further than before if its next frame is torn."""
        end = self.whole_until.get(stream.writer, 0)
        head = os.pread(descriptor, FRAME_HEADER_BYTES, body + end)
        if len(head) < FRAME_HEADER_BYTES:
            return end
        length = int.from_bytes(head[:4], "little")
        if 0 < length <= MAX_PAYLOAD_BYTES:
            if end + FRAME_HEADER_BYTES + length > stream.size:
                return end
            if find_frame_end(os.pread(descriptor, FRAME_HEADER_BYTES + length, body + end), 0) is not None:
                return stream.size
        if any(os.pread(descriptor, READ_BYTES, body + end)):  # zeros are what is not written yet
            self.errors[stream.project] = f"{path} is damaged, or not all here yet, at {end}"
        return end

    # -- a Source

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Yield the streams that were found but those `known` by writer id."""
        return (stream for writer, stream in self.found_streams.items() if writer not in exclude)

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Read whole frames from `offset`, which must be a frame boundary."""
        data = self.journal_source.read(writer, offset, limit_bytes)
        self.whole_until[writer] = max(self.whole_until.get(writer, 0), offset + len(data))
        return data

    def check_liveness(self, _: str) -> Liveness:
        """Return UNKNOWN liveness: processes on other machines cannot be observed."""
        return Liveness.UNKNOWN

    def close(self) -> None:
        """Close all files."""
        self.journal_source.close()
