"""The media type `application/x-tasuki-frame`: a JSON header and little-endian arrays (docs/api.md)."""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["MEDIA_TYPE", "Array", "decode_arrays", "decode_header", "encode_body"]

MEDIA_TYPE = "application/x-tasuki-frame"

HEADER_LENGTH = struct.Struct("<I")
ALIGNMENT_BYTES = 8
Array = npt.NDArray[Any]


def encode_body(header: object, arrays: Sequence[Array]) -> bytes:
    """Encode a header and arrays."""
    text = msgspec.json.encode(header)
    text += b" " * (-(HEADER_LENGTH.size + len(text)) % ALIGNMENT_BYTES)
    parts = [HEADER_LENGTH.pack(len(text)), text]
    for array in arrays:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        parts += [data, bytes(-len(data) % ALIGNMENT_BYTES)]
    return b"".join(parts)


def decode_header(body: bytes) -> tuple[dict[str, Any], int]:
    """Decode the header; return it and the offset of the arrays.

    Raise msgspec.DecodeError or struct.error if invalid.
    """
    (length,) = HEADER_LENGTH.unpack_from(body)
    end = HEADER_LENGTH.size + length
    return msgspec.json.decode(body[HEADER_LENGTH.size : end], type=dict[str, Any]), end


def decode_arrays(body: bytes, start: int, shapes: Sequence[tuple[str, int]]) -> list[Array]:
    """Decode the arrays after `start`, by type and length. Raise ValueError if the body ends early."""
    arrays = []
    for kind, n in shapes:
        array = np.frombuffer(body, kind, n, start)
        arrays.append(array)
        start += array.nbytes + -array.nbytes % ALIGNMENT_BYTES
    return arrays
