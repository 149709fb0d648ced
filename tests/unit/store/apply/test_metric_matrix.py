"""Reading many maps at once gives what reading each of them gives."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasuki.records import FlatMetrics, decode, encode_frame, encode_metrics
from tasuki.store.apply.batch import compute_clocks, read_batch
from tasuki.store.apply.metric_matrix import MIN_RECORDS, read_matrices

numbers = st.one_of(
    st.floats(),
    st.integers(-40, 300),
    st.sampled_from([-(2**63), 2**63, 2**64 - 1, -(2**15), 2**31, 1.5]),
)
maps = st.dictionaries(st.sampled_from(["loss", "acc", "a long name that takes two bytes to say how long", "é"]), numbers)
odd = st.sampled_from([{"loss": True}, {"loss": None}, {"loss": {"a": 1.0}}, {1: 2.0}, {}, 7, "text"])


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


@given(st.lists(st.tuples(st.one_of(maps, maps, odd), st.integers(1, 2 * MIN_RECORDS)), max_size=4), st.randoms())
def test_every_matrix_says_what_its_records_say(kinds, random):
    values = [value for value, times in kinds for _ in range(times)]
    random.shuffle(values)
    seen: set[int] = set()
    for matrix in read_matrices([raw(value) for value in values]):
        for place, row in zip(matrix.records.tolist(), matrix.table, strict=True):
            assert place not in seen
            seen.add(place)
            assert tuple(values[place]) == matrix.metrics
            np.testing.assert_array_equal(row, [float(value) for value in values[place].values()])


def test_maps_that_are_written_alike_are_one_matrix():
    (found,) = read_matrices([raw({"loss": step / 7, "epoch": step % 100, "n": 1000 + step}) for step in range(500)])
    assert found.metrics == ("loss", "epoch", "n")
    assert found.table[:, 1].tolist() == [step % 100 for step in range(500)]


def test_a_type_that_changes_under_way_is_read_all_the_same():
    values = [{"loss": 1.5 if step % 3 else step} for step in range(300)]
    found = [matrix for matrix in read_matrices([raw(value) for value in values])]
    assert sum(len(matrix.records) for matrix in found) > 250
    for matrix in found:
        assert matrix.table[:, 0].tolist() == [values[place]["loss"] for place in matrix.records.tolist()]


def test_a_name_twice_in_a_map_is_left_to_the_decoder():
    twice = msgspec.Raw(b"\x82\xa1a\x01\xa1a\x02")
    assert list(read_matrices([twice] * 100)) == []


@given(st.lists(st.integers(0, 20), min_size=1), st.integers(0, 20))
def test_a_clock_is_the_time_or_one_more_than_the_clock_before(times, before):
    clock, expected = before, []
    for time in times:
        clock = max(time, clock + 1)
        expected.append(clock)
    assert compute_clocks(np.array(times), before).tolist() == expected


def test_a_batch_reads_every_record_once_in_one_way_or_the_other():
    payloads = [encode_metrics(step + 1, step, {"loss": 0.5, "acc": float(step)}) for step in range(50)]
    payloads[20] = encode_metrics(21, 20, {"other": True})
    payloads[21] = encode_metrics(22, 21, {"lonely": 1.0})
    batch = read_batch("w", b"".join(map(encode_frame, payloads)), 0)
    assert batch.records == 50
    assert [len(points) for points in batch.points] == [48]
    assert [place.record for place in batch.other_records] == [decode(payloads[20]), decode(payloads[21])]
    assert isinstance(batch.other_records[1].record, FlatMetrics)
    assert [place.clock for place in batch.other_records] == [21, 22]
