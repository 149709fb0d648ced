"""Records to payloads and back."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from tasuki.errors import InvalidRecord
from tasuki.records import schema
from tasuki.records.schema import Record, UnknownRecord

__all__ = [
    "FlatMetrics",
    "RawMetrics",
    "decode",
    "decode_fast",
    "encode",
    "encode_metrics",
    "encode_parts",
    "number_from_scalar",
]


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class FlatMetrics(schema.Metrics, frozen=True, kw_only=True, tag="metrics", gc=False):
    """Metrics as nearly every call makes them: flat floats and integers, checked while decoding."""

    step: Int64
    values: dict[str, float]


class RawMetrics(Record, frozen=True, kw_only=True, tag="metrics", gc=False):
    """Metrics whose values are still a MessagePack map, or should be one: for reading many at once."""

    time: Int64
    step: Int64
    values: msgspec.Raw


NON_METRIC_RECORDS = (
    schema.RunStarted
    | schema.RunUpdated
    | schema.RunStatus
    | schema.RunDeleted
    | schema.StopRequested
    | schema.RunProgress
    | schema.RunText
    | schema.Alert
    | schema.File
    | schema.DeliveryIds
    | schema.Heartbeat
    | schema.LostCalls
    | schema.SalvagedStream
    | schema.Correction
    | schema.Lesson
    | schema.Event
    | schema.MetaRule
    | schema.Manifest
    | schema.JobCreated
    | schema.Observation
    | schema.JobDeleted
    | schema.ProviderHealth
)
DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
KNOWN_TAGS = frozenset(kind.__struct_config__.tag for kind in (*NON_METRIC_RECORDS.__args__, schema.Metrics))
decode_flat_metrics: Callable[[bytes], Any] = msgspec.msgpack.Decoder(NON_METRIC_RECORDS | FlatMetrics).decode
decode_raw_metrics: Callable[[bytes], Any] = msgspec.msgpack.Decoder(NON_METRIC_RECORDS | RawMetrics).decode
decode_nested_metrics: Callable[[bytes], Any] = msgspec.msgpack.Decoder(NON_METRIC_RECORDS | schema.Metrics).decode
decode_untyped: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode


def number_from_scalar(value: object) -> bool | int | float:
    """The number in a numpy or torch scalar, or in a one-element array; TypeError for anything else."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"{type(value).__qualname__} is not a number")
    try:
        number = item()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{type(value).__qualname__} holds more than one number") from error
    if not isinstance(number, (bool, int, float)):
        raise TypeError(f"{type(value).__qualname__} is not a number")
    return number


encode: Callable[[Record], bytes] = msgspec.msgpack.Encoder(enc_hook=number_from_scalar, decimal_format="number").encode
"""The payload of a record."""


encode_parts: Callable[[tuple[str, int, int, Mapping[str, Any]]], bytes] = encode  # type: ignore[assignment]
"""The payload of `Metrics` from `("metrics", time, step, values)`, without making the record first: this is the hot path."""


def encode_metrics(time: int, step: int, values: Mapping[str, Any]) -> bytes:
    """The payload of `Metrics`."""
    return encode_parts(("metrics", time, step, values))


def decode(payload: bytes) -> Record | UnknownRecord:
    """Decode a payload; `UnknownRecord` for a kind of a later version.

    Raise InvalidRecord for anything else.
    """
    try:
        return decode_flat_metrics(payload)  # type: ignore[no-any-return]
    except DECODE_ERRORS:
        return decode_checked(payload)


def decode_fast(payload: bytes) -> Record | UnknownRecord:
    """As `decode`, but the values of metrics are left as they are, right or wrong."""
    try:
        return decode_raw_metrics(payload)  # type: ignore[no-any-return]
    except DECODE_ERRORS:
        return decode_checked(payload)


def decode_checked(payload: bytes) -> Record | UnknownRecord:
    """Decode what the fast path cannot: nested metrics and unknown kinds; explain invalid payloads."""
    try:
        parts = decode_untyped(payload)
    except DECODE_ERRORS as error:
        raise InvalidRecord(f"not MessagePack: {error}") from error
    match parts:
        case [str(kind), int(time), *_] if kind not in KNOWN_TAGS:
            return UnknownRecord(kind=kind, time=time)
        case [str(kind), *_]:
            try:
                return decode_nested_metrics(payload)  # type: ignore[no-any-return]
            except DECODE_ERRORS as error:
                raise InvalidRecord(f"{kind}: {error}") from error
    raise InvalidRecord("not a record: an array that begins with its kind and time was expected")
