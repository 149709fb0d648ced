"""A data folder as one source of streams: its journals, and what a server has received into it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.journal import JournalFolder, JournalSource, Liveness, Source, Stream
from tasuki.store.raw_store import RawStore

__all__ = ["UnionSource", "open_source"]


class UnionSource:
    """Several sources as one. A stream is the same everywhere, as far as it goes, so the longest is read."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.longest_sources: dict[str, Source] = {}

    def streams(self, exclude: Collection[str] = ()) -> Iterator[Stream]:
        """Every stream but those `known`, from where there is most of it."""
        found: dict[str, tuple[Stream, Source]] = {}
        for source in self.sources:
            for stream in source.streams(exclude):
                longest, _ = found.get(stream.writer, (stream, source))
                if (stream.size, stream.is_sealed) >= (longest.size, longest.is_sealed):
                    found[stream.writer] = (stream, source)
        for stream, source in found.values():
            self.longest_sources[stream.writer] = source
            yield stream

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        """Whole frames from `offset`, from where there is most of the stream."""
        sources = [self.longest_sources[writer]] if writer in self.longest_sources else self.sources
        return max((source.read(writer, offset, limit_bytes) for source in sources), key=len)

    def check_liveness(self, writer: str) -> Liveness:
        """Return the liveness that the first source to know it gives."""
        verdicts = (source.check_liveness(writer) for source in self.sources)
        return next((verdict for verdict in verdicts if verdict is not Liveness.UNKNOWN), Liveness.UNKNOWN)

    def close(self) -> None:
        """Close all sources."""
        for source in self.sources:
            source.close()


def open_source(folder: JournalFolder, raw: Path, clock: Clock = SYSTEM_CLOCK) -> JournalSource | UnionSource:
    """A folder's journals, and the raw store of a server where there is one."""
    journals = JournalSource(folder)
    return UnionSource([journals, RawStore(raw, clock=clock)]) if raw.exists() else journals
