import math
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasuki import records
from tasuki.errors import InvalidRecord
from tasuki.records import (
    Alert,
    AlertLevel,
    Correction,
    DeliveryIds,
    Event,
    File,
    FlatMetrics,
    Heartbeat,
    JobCreated,
    JobDeleted,
    JobRecord,
    JobStatus,
    Lesson,
    LostCalls,
    Manifest,
    MetaRule,
    Metrics,
    Note,
    Observation,
    ProviderHealth,
    RawMetrics,
    Record,
    RunDeleted,
    RunProgress,
    RunStarted,
    RunStatus,
    RunText,
    RunUpdated,
    SalvagedStream,
    Status,
    StopRequested,
    UnknownRecord,
    decode,
    encode,
    encode_metrics,
    number_from_scalar,
)

ONE_OF_EACH = [
    StopRequested(time=1, attempt="a", reason="diverges", by="ada@node7"),
    RunText(time=1, attempt="a", name="stdout", text="é\n"),
    RunProgress(time=1, attempt="a", done=3, total=10, rate=1.5),
    RunStarted(time=1, attempt="a", name="n", group="g", notes="é", tags=["t"], config={"lr": 0.1, "deep": {"x": [1, None]}}),
    RunUpdated(time=2, name="n2", config={"lr": 0.2}, tags_added=["x"], tags_removed=["t"]),
    RunStatus(time=3, attempt="a", status=Status.FAILED, reason="boom"),
    RunDeleted(time=4),
    Alert(time=5, title="t", level=AlertLevel.ERROR, text="x", reason="nan", metric="loss", value=1.5, step=3, data={"k": [1]}),
    Heartbeat(time=6),
    LostCalls(time=7, n=3, since=5, until=6),
    SalvagedStream(time=8, writer="w", hole=10, offset=20),
    Correction(time=9, event_id="e", session=12, draft="d", final="f", category="TONE", severity="major", context={"k": [1]}),
    Lesson(time=10, event_id="e", text="é", confidence=0.8, category="c", more={"of": "a later client"}),
    Event(time=11, event_id="e", session=-1, name="n", data={"k": None}),
    MetaRule(time=12, event_id="e", more={"rule": "x"}),
    Manifest(time=13, event_id="e", more={"version": 3}),
    JobCreated(time=14, job="j", provider="local", command=["python", "x.py"], metadata={"k": [1]}),
    Observation(time=15, job="j", attempt=2, status=JobStatus.RUNNING, started=14, cost_usd=0.5, candidates=["a"]),
    JobDeleted(time=16, job="j"),
    ProviderHealth(time=17, provider="replicate", degraded=True, detail="500"),
    File(
        time=14, path="a/b.png", key="samples", step=3, form="image", caption="é", sha256="0" * 64, size=5, media_type="image/png"
    ),
    DeliveryIds(time=15, ids="0f" * 16, system=2),
]


def plain(record: Record) -> list[Any]:
    """A record as the array that is on the disk."""
    parts = msgspec.msgpack.decode(encode(record))
    assert isinstance(parts, list)
    return parts


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record: Record):
    assert decode(encode(record)) == record


def test_every_kind_of_record_is_among_those_tried():
    kinds = {kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Record)}
    assert kinds - {Record, Note, JobRecord} == {type(record) for record in ONE_OF_EACH} | {Metrics, FlatMetrics, RawMetrics}


@pytest.mark.parametrize("record", [*ONE_OF_EACH, Metrics(time=9, step=1, values={"a": 1.0})], ids=lambda r: type(r).__name__)
def test_a_record_is_an_array_of_its_kind_its_time_and_its_fields(record: Record):
    assert plain(record)[:2] == [record.__struct_config__.tag, record.time]


@pytest.mark.parametrize("record", [*ONE_OF_EACH, Metrics(time=9, step=1, values={"a": 1.0})], ids=lambda r: type(r).__name__)
def test_fields_of_a_later_version_are_passed_over(record: Record):
    longer = msgspec.msgpack.encode([*plain(record), "a later field", {"x": 1}])
    assert encode(decode(longer)) == encode(record)


@pytest.mark.parametrize(
    ("parts", "record"),
    [
        (["run.started", 1, "a"], RunStarted(time=1, attempt="a")),
        (["run.status", 1, "a", "finished"], RunStatus(time=1, attempt="a", status=Status.FINISHED)),
        (["alert", 1, "t"], Alert(time=1, title="t")),
    ],
    ids=["started", "status", "alert"],
)
def test_fields_that_an_earlier_version_did_not_write_have_their_defaults(parts: list[Any], record: Record):
    assert decode(msgspec.msgpack.encode(parts)) == record


def test_a_kind_of_a_later_version_is_kept_as_unknown():
    assert decode(msgspec.msgpack.encode(["job.progress", 7, {"any": "thing"}])) == UnknownRecord(kind="job.progress", time=7)


@given(st.dictionaries(st.text(), st.floats(), max_size=12), st.integers(-(2**63), 2**63 - 1))
def test_flat_metrics_come_back_bit_for_bit(values: dict[str, float], step: int):
    record = decode(encode_metrics(5, step, values))
    assert isinstance(record, FlatMetrics)
    assert (record.time, record.step) == (5, step)
    assert {key: value.hex() for key, value in record.values.items()} == {key: value.hex() for key, value in values.items()}


@given(
    st.recursive(
        st.floats(allow_nan=False) | st.booleans() | st.integers(-(2**63), 2**64 - 1),
        lambda inner: st.dictionaries(st.text(), inner),
    )
)
def test_nested_metrics_come_back_as_they_were(value: Any):
    record = decode(encode_metrics(5, 1, {"a": value, "nested": {"b": True}}))
    assert isinstance(record, Metrics)
    assert record.values == {"a": value, "nested": {"b": True}}


@pytest.mark.parametrize("key", [3, None, True, 1.5, (1, 2), "", "a/b", "é", "\x00"])
def test_odd_keys_come_back_as_they_were(key: Any):
    record = decode(encode_metrics(5, 1, {key: 1.0}))
    assert isinstance(record, Metrics)
    assert record.values == {key: 1.0}


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
def test_extreme_floats_are_values_like_others(value: float):
    record = decode(encode_metrics(1, 2, {"x": value}))
    assert isinstance(record, FlatMetrics)
    assert record.values["x"].hex() == value.hex()


def test_nan_is_a_value_like_others():
    record = decode(encode_metrics(1, 2, {"x": math.nan}))
    assert isinstance(record, FlatMetrics)
    assert math.isnan(record.values["x"])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x93\xa1",
        msgspec.msgpack.encode({"kind": "metrics"}),
        msgspec.msgpack.encode("metrics"),
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode([1, 2, 3]),
        msgspec.msgpack.encode(["unheard of", "no time"]),
        msgspec.msgpack.encode(["metrics", 1, "no step", {}]),
        msgspec.msgpack.encode(["metrics", 1, 2]),
        msgspec.msgpack.encode(["run.status", 1, "a", "exploded"]),
        encode(Heartbeat(time=1)) + b"more",
        b"\x92\xa1\xff\x01",
        b"\x91" * 100_000,
        b"\x94\xa7metrics\x01\x02" + b"\x81\xa1a" * 100_000,
    ],
    ids=range(15),
)
def test_what_is_no_record_is_a_bad_record(payload: bytes):
    with pytest.raises(InvalidRecord):
        decode(payload)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_record_unknown_or_bad(payload: bytes):
    try:
        record = decode(payload)
    except InvalidRecord:
        return
    assert isinstance(record, Record | UnknownRecord)


def test_a_bad_record_says_of_which_kind_it_is_and_what_was_wrong():
    with pytest.raises(InvalidRecord, match=r"metrics: Expected `int`, got `str`"):
        decode(msgspec.msgpack.encode(["metrics", 1, "no step", {}]))


@pytest.mark.parametrize(
    ("scalar", "number"),
    [
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.int64(-3), -3),
        (np.uint8(200), 200),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        (Decimal("2.5"), 2.5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_scalars_are_encoded_as_their_numbers(scalar: Any, number: float):
    record = decode(encode_metrics(1, 2, {"x": scalar}))
    assert isinstance(record, Metrics)
    assert record.values == {"x": number}
    assert type(record.values["x"]) is type(number) or isinstance(record, FlatMetrics)


class OfSeveral:
    """What torch says of a tensor with several elements."""

    def item(self) -> float:
        raise RuntimeError("a Tensor with 3 elements cannot be converted to Scalar")


class OfText:
    """Something with an item that is no number."""

    def item(self) -> str:
        return "text"


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), OfSeveral(), OfText(), object(), {1}, np.str_("x")])
def test_what_holds_no_single_number_is_no_scalar(value: object):
    with pytest.raises(TypeError):
        number_from_scalar(value)
