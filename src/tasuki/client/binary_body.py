"""The media type `application/x-tasuki-frame`: a JSON header and little-endian arrays (docs/api.md)."""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["FRAME", "Array", "arrays_from", "frame_from", "header_from"]

FRAME = "application/x-tasuki-frame"

LENGTH = struct.Struct("<I")
BOUNDARY = 8
Array = npt.NDArray[Any]


def frame_from(header: object, arrays: Sequence[Array]) -> bytes:
    """Encode a header and arrays."""
    text = msgspec.json.encode(header)
    text += b" " * (-(LENGTH.size + len(text)) % BOUNDARY)
    parts = [LENGTH.pack(len(text)), text]
    for array in arrays:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [data, bytes(-len(data) % BOUNDARY)]
    return b"".join(parts)


def header_from(frame: bytes) -> tuple[dict[str, Any], int]:
    """Decode the header; return it and the offset of the arrays.

    Raise msgspec.DecodeError or struct.error if invalid.
    """
    (length,) = LENGTH.unpack_from(frame)
    end = LENGTH.size + length
    return msgspec.json.decode(frame[LENGTH.size : end], type=dict[str, Any]), end


def arrays_from(frame: bytes, start: int, shapes: Sequence[tuple[str, int]]) -> list[Array]:
    """Decode the arrays after `start`, by type and length. Raise ValueError if the body ends early."""
    arrays = []
    for kind, n in shapes:
        array = np.frombuffer(frame, kind, n, start)
        arrays.append(array)
        start += array.nbytes + -array.nbytes % BOUNDARY
    return arrays
