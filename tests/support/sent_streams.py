"""Streams in memory, for the projection to read."""

from collections.abc import Iterable, Iterator

from tasuki.journal import Liveness, Stream
from tasuki.records import Record, encode, encode_frame


class Sent:
    """A source of streams in memory."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}

    def send(self, records: Iterable[Record], writer: str = "w") -> None:
        self.data[writer] = self.data.get(writer, b"") + b"".join(encode_frame(encode(record)) for record in records)

    def streams(self, exclude=()) -> Iterator[Stream]:
        return (Stream(writer, "p", "r", len(data), False) for writer, data in self.data.items())

    def read(self, writer: str, offset: int, limit_bytes: int) -> bytes:
        return self.data[writer][offset:]

    def check_liveness(self, writer: str) -> Liveness:
        return Liveness.UNKNOWN

    def close(self) -> None: ...
