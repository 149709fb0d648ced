"""What a sender and a receiver of journals say to each other."""

from enum import StrEnum

import msgspec

from tasuki.records.frames import Position

__all__ = ["Item", "Reply", "ReplyStatus"]


class ReplyStatus(StrEnum):
    """What became of an item."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    MOVED = "moved"
    REJECTED = "rejected"


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of one writer's stream: `data` (one zstd frame of whole frames) belongs at `(offset, crc)`.

    Without data it asks for the receiver's position, or says that the stream has ended there (`sealed`).
    """

    project: str
    run: str
    writer: str
    offset: int
    crc: int
    sealed: bool = False
    data: bytes | None = None

    @property
    def position(self) -> Position:
        """Where the data belongs."""
        return Position(self.offset, self.crc)


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The receiver's answer to one item, with its own position after it.

    `crc_at` is the receiver's rolling crc at the item's offset, where it has that much: equal to the item's crc, the sender's
    prefix is the receiver's prefix.
    """

    writer: str
    status: ReplyStatus
    offset: int
    crc: int
    sealed: bool = False
    crc_at: int | None = None
    hint: str | None = None

    @property
    def position(self) -> Position:
        """The receiver's position."""
        return Position(self.offset, self.crc)
