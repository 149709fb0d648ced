"""Encode columns: little-endian, differences of integers, shuffled bytes, zstd with a checksum.

Values that float32 represents exactly are stored as float32. An arithmetic run of integers, or a constant, costs nothing.
"""

import msgspec
import numpy as np
import numpy.typing as npt
import zstandard
from zlib_ng.zlib_ng import crc32

from tasuki.errors import StoreCorrupt
from tasuki.store.series.points import Column, Floats, Ints, Points
from tasuki.zstd_codecs import ZstdCodecs

__all__ = [
    "column_from_bytes",
    "column_to_bytes",
    "pack_axis",
    "pack_points",
    "unpack_axis_points",
    "unpack_axis_steps",
    "unpack_axis_times",
    "unpack_points",
]

ZSTD_LEVEL = 3
MIN_COMPRESSED_BYTES = 256
MIN_ENCODED_NUMBERS = 32
"""Fewer numbers than this are not worth looking at: the tail of a run has many such columns."""
PLAIN = "plain"


class EncodedNumbers(msgspec.Struct, array_like=True):
    """An encoded column: format (`plain`, `arithmetic`, a numpy type), length, start, and bytes."""

    form: str
    n: int
    start: int
    step: int
    data: bytes = b""
    is_compressed: bool = False


class Axis(msgspec.Struct, array_like=True):
    """The columns that all metrics of a block share."""

    steps: EncodedNumbers
    clocks: EncodedNumbers
    lags: EncodedNumbers
    writers: EncodedNumbers
    names: list[str]


class MetricChunk(msgspec.Struct, array_like=True):
    """One metric's values; `rows` is None where every record has one."""

    values: EncodedNumbers
    rows: EncodedNumbers | None = None


class TailPoints(msgspec.Struct, array_like=True):
    """Points in one piece, as the tail keeps them."""

    axis: Axis
    columns: dict[int, MetricChunk]


codecs = ZstdCodecs(ZSTD_LEVEL)
encode = msgspec.msgpack.encode
decode_axis = msgspec.msgpack.Decoder(Axis).decode
decode_column = msgspec.msgpack.Decoder(MetricChunk).decode
decode_tail_points = msgspec.msgpack.Decoder(TailPoints).decode


def shuffle_bytes(values: npt.NDArray[np.generic]) -> bytes:
    """The bytes of all values, first bytes first: equal exponents lie side by side."""
    size = values.dtype.itemsize
    return values.view(np.uint8).reshape(-1, size).T.tobytes() if size > 1 else values.tobytes()


def unshuffle_bytes(data: bytes, dtype: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """The values again."""
    size = dtype.itemsize
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(size, -1).T).view(dtype).reshape(-1)


def encode_numbers(values: npt.NDArray[np.generic], start: int = 0, step: int = 0) -> EncodedNumbers:
    """Numbers of one numpy type; a few are written as they are."""
    form = values.dtype.str.lstrip("<|")
    if values.nbytes < MIN_COMPRESSED_BYTES:
        return EncodedNumbers(form, len(values), start, step, values.tobytes())
    return EncodedNumbers(form, len(values), start, step, codecs.compressor.compress(shuffle_bytes(values)), True)


def decode_numbers(column: EncodedNumbers) -> npt.NDArray[np.generic]:
    """The numbers that were packed."""
    kind = np.dtype("<" + column.form)
    data = codecs.decompressor.decompress(column.data) if column.is_compressed else column.data
    values = unshuffle_bytes(data, kind) if column.is_compressed else np.frombuffer(data, kind)
    if len(values) != column.n:
        raise StoreCorrupt(f"a column has {len(values)} values, {column.n} were stored")
    return values


def pack_ints(values: Ints) -> EncodedNumbers:
    """Integers: arithmetic if they are, else what their differences exceed the smallest difference by."""
    n = len(values)
    if n < MIN_ENCODED_NUMBERS:
        return EncodedNumbers(PLAIN, n, 0, 0, values.tobytes())
    start = int(values[0])
    with np.errstate(over="ignore"):
        steps = np.diff(values)
    step = int(steps.min())
    if step == int(steps.max()):
        return EncodedNumbers("arithmetic", n, start, step)
    with np.errstate(over="ignore"):
        excess = (steps - np.int64(step)).view(np.uint64)
    return encode_numbers(excess.astype(np.min_scalar_type(int(excess.max()))), start, step)


def unpack_ints(column: EncodedNumbers) -> Ints:
    """The integers again; sums wrap as the differences did."""
    with np.errstate(over="ignore"):
        if column.form == "arithmetic":
            found = np.arange(column.n, dtype=np.int64)
            found *= np.int64(column.step)
            found += np.int64(column.start)
            return found
        if column.form == PLAIN:
            return np.frombuffer(column.data, np.int64)
        found = np.empty(column.n + 1, np.int64)
        found[0] = column.start
        found[1:] = decode_numbers(column)
        found[1:] += np.int64(column.step)
        return found.cumsum(out=found)


def pack_floats(values: Floats) -> EncodedNumbers:
    """Floats, as float32 where that loses nothing; a few as they are."""
    if len(values) < MIN_ENCODED_NUMBERS:
        return encode_numbers(values)
    with np.errstate(over="ignore", invalid="ignore"):
        single = values.astype("<f4")
        same = single.astype(np.float64) == values
    if same.all() or (same | np.isnan(values)).all():
        return encode_numbers(single)
    return encode_numbers(values.astype("<f8", copy=False))


def pack_axis(points: Points) -> bytes:
    """Steps, clocks and writers of a block."""
    return encode(build_axis(points))


def build_axis(points: Points) -> Axis:
    """Steps, clocks and writers, packed."""
    return Axis(pack_ints(points.steps), pack_ints(points.clocks), pack_ints(points.lags), pack_ints(points.writers), points.names)


def unpack_axis_points(data: bytes) -> Points:
    """A block without its columns. StoreCorrupt if the bytes are not what was stored."""
    try:
        return make_points(decode_axis(data))
    except (msgspec.DecodeError, zstandard.ZstdError, ValueError) as error:
        raise StoreCorrupt(f"a block's axis can't be read: {error}") from error


def unpack_axis_steps(data: bytes) -> Ints:
    """The steps of a block alone. StoreCorrupt if the bytes are not what was stored."""
    try:
        return unpack_ints(decode_axis(data).steps)
    except (msgspec.DecodeError, zstandard.ZstdError, ValueError) as error:
        raise StoreCorrupt(f"a block's axis can't be read: {error}") from error


def unpack_axis_times(data: bytes) -> tuple[Ints, Ints]:
    """The steps of a block and the times of its calls. StoreCorrupt if the bytes are not what was stored."""
    try:
        axis = decode_axis(data)
        return unpack_ints(axis.steps), unpack_ints(axis.clocks) - unpack_ints(axis.lags)
    except (msgspec.DecodeError, zstandard.ZstdError, ValueError) as error:
        raise StoreCorrupt(f"a block's axis can't be read: {error}") from error


def make_points(axis: Axis) -> Points:
    """Points that have no columns yet."""
    columns = (axis.steps, axis.clocks, axis.lags, axis.writers)
    steps, clocks, lags, writers = map(unpack_ints, columns)
    return Points(steps, clocks, lags, writers, axis.names, {})


def pack_column(column: Column, records: int) -> MetricChunk:
    """One metric's column."""
    return MetricChunk(pack_floats(column.values), None if len(column.rows) == records else pack_ints(column.rows))


def unpack_column(column: MetricChunk) -> Column:
    """One metric's column again."""
    values = decode_numbers(column.values).astype(np.float64)
    return Column(np.arange(len(values)) if column.rows is None else unpack_ints(column.rows), values)


def column_to_bytes(column: Column, records: int) -> bytes:
    """One metric's column of a block."""
    return encode(pack_column(column, records))


def column_from_bytes(data: bytes) -> Column:
    """One metric's column of a block. StoreCorrupt if the bytes are not what was stored."""
    try:
        return unpack_column(decode_column(data))
    except (msgspec.DecodeError, zstandard.ZstdError, ValueError) as error:
        raise StoreCorrupt(f"a column can't be read: {error}") from error


def pack_points(points: Points, ids: dict[str, int]) -> bytes:
    """Points in one piece, metrics by their ids, with a crc."""
    columns = {ids[metric]: pack_column(column, len(points)) for metric, column in points.columns.items()}
    data = encode(TailPoints(build_axis(points), columns))
    return crc32(data).to_bytes(4, "little") + data


def unpack_points(data: bytes, names: dict[int, str]) -> Points:
    """Points from one piece. StoreCorrupt if the bytes are not what was stored."""
    if len(data) <= 4 or crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        raise StoreCorrupt("a batch of points fails its crc")
    whole = decode_tail_points(data[4:])
    points = make_points(whole.axis)
    points.columns = {names[metric]: unpack_column(column) for metric, column in whole.columns.items()}
    return points
