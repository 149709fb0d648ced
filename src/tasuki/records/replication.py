"""Requests and replies between the sender and the receiver of streams."""

from enum import StrEnum
from typing import Annotated

import msgspec
import zstandard

from tasuki.errors import DataError
from tasuki.records.frames import MAX_PAYLOAD_BYTES, Position, measure_whole_frames
from tasuki.zstd_codecs import ZstdCodecs

__all__ = [
    "MAX_ITEM_BYTES",
    "AttemptRef",
    "Item",
    "ItemReply",
    "ReplicateRequest",
    "ReplicateResponse",
    "ReplyStatus",
    "ResumableRun",
    "StopCommand",
    "decompress_item",
    "pack_item",
    "unpack_item",
]

MAX_ITEMS = 10_000
MAX_LISTENING_ATTEMPTS = 1_000
MAX_WAIT_SECONDS = 30
MAX_ITEM_BYTES = MAX_PAYLOAD_BYTES + 1024 * 1024


class ReplyStatus(StrEnum):
    """Outcome of an item."""

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
        """Return the position that the data belongs to."""
        return Position(self.offset, self.crc)


class ItemReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    forbidden: bool = False
    """It is the token that is not for this item: another one may be."""

    @property
    def position(self) -> Position:
        """The receiver's position."""
        return Position(self.offset, self.crc)


class AttemptRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An attempt that a process makes, and wants to hear about."""

    project: str
    run: str
    attempt: str


class ReplicateRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request: items to store.

    Without items, the server waits up to `wait_s` seconds for a stop command.
    """

    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS)] = []
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT_SECONDS)] = 0
    listening: Annotated[list[AttemptRef], msgspec.Meta(max_length=MAX_LISTENING_ATTEMPTS)] = []


class ResumableRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be resumed: its id, and the step after the highest that it has logged."""

    id: str
    next_step: int


class StopCommand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A command to an attempt: stop, with the reason and the name of the requester."""

    run: str
    attempt: str
    stop: str
    by: str | None = None


class ReplicateResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: a reply per item. Another `boot_id` than before means that the server has started anew."""

    items: list[ItemReply]
    boot_id: str
    next_after_ms: int = 0
    control: list[StopCommand] = []


codecs = ZstdCodecs(level=3)


def pack_item(data: bytes) -> bytes:
    """Whole frames as an item carries them: one zstd frame that says its size."""
    return codecs.compressor.compress(data)


def unpack_item(data: bytes) -> bytes:
    """Unpack an item's frames. Raise DataError unless they are whole, in one zstd frame of bounded size."""
    content = decompress_item(data)
    if measure_whole_frames(content) != len(content):
        raise DataError("an item's data is not whole frames")
    return content


def decompress_item(data: bytes) -> bytes:
    """Return the frames of an item that was checked when it was stored; zstd's checksum detects changes."""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= MAX_ITEM_BYTES:
            raise DataError(f"an item holds {size} bytes of frames; {MAX_ITEM_BYTES} are the most")
        return codecs.decompressor.decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise DataError(f"an item's data is not one zstd frame: {error}") from error
