from itertools import accumulate
from zlib import crc32

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasuki.records import (
    MAX_PAYLOAD_BYTES,
    Heartbeat,
    encode,
    encode_frame,
    find_frame,
    find_frame_end,
    iterate_frames,
    measure_whole_frames,
)

PAYLOADS = st.lists(st.binary(min_size=1, max_size=60), max_size=8)


def payloads_of(data: bytes) -> list[bytes]:
    return [payload for _, payload in iterate_frames(data)]


def beat(time: int) -> bytes:
    return encode_frame(encode(Heartbeat(time=time)))


def test_a_frame_is_length_crc_and_payload_in_little_endian():
    assert encode_frame(b"abc") == b"\x03\x00\x00\x00" + crc32(b"abc").to_bytes(4, "little") + b"abc"


@given(PAYLOADS)
def test_frames_come_back_as_they_were_written_with_their_offsets(payloads: list[bytes]):
    data = b"".join(map(encode_frame, payloads))
    starts = [0, *accumulate(len(payload) + 8 for payload in payloads)]
    assert list(iterate_frames(data)) == list(zip(starts, payloads, strict=False))
    assert measure_whole_frames(data) == len(data)


@given(PAYLOADS.filter(bool), st.data())
def test_a_torn_tail_ends_the_scan_before_it(payloads: list[bytes], data: st.DataObject):
    whole = b"".join(map(encode_frame, payloads[:-1]))
    last = encode_frame(payloads[-1])
    torn = last[: data.draw(st.integers(0, len(last) - 1))]
    assert payloads_of(whole + torn) == payloads[:-1]
    assert measure_whole_frames(whole + torn) == len(whole)


@given(PAYLOADS.filter(bool), st.data())
def test_a_flipped_bit_ends_the_scan_before_its_frame(payloads: list[bytes], data: st.DataObject):
    stream = bytearray(b"".join(map(encode_frame, payloads)))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << bit % 8
    ends = list(accumulate(len(payload) + 8 for payload in payloads))
    intact = sum(end <= bit // 8 for end in ends)
    assert payloads_of(bytes(stream)) == payloads[:intact]
    assert measure_whole_frames(bytes(stream)) == [0, *ends][intact]


def test_a_frame_of_length_zero_ends_the_scan():
    data = beat(1) + bytes(8) + beat(2)
    assert payloads_of(data) == payloads_of(beat(1))
    assert find_frame_end(data, len(beat(1))) is None


def test_the_longest_payload_is_a_frame_and_a_longer_one_is_none():
    longest = encode_frame(bytes(MAX_PAYLOAD_BYTES))
    assert measure_whole_frames(longest) == find_frame_end(longest, 0) == len(longest)
    assert measure_whole_frames(encode_frame(bytes(MAX_PAYLOAD_BYTES + 1))) == 0
    assert find_frame_end(encode_frame(bytes(MAX_PAYLOAD_BYTES + 1)), 0) is None


def test_a_frame_is_found_where_it_starts_and_nowhere_else():
    data = beat(1) + beat(2)
    assert [offset for offset in range(len(data) + 8) if find_frame_end(data, offset)] == [0, len(beat(1))]


@given(st.binary(max_size=200), st.integers(0, 2**40))
def test_the_first_whole_frame_behind_garbage_is_found(garbage: bytes, time: int):
    data = garbage + beat(time)
    assume(all(find_frame_end(data, offset) is None for offset in range(len(garbage))))
    assert find_frame(data, 0) == len(garbage)


@pytest.mark.parametrize("byte", [0xDC, 0xDD])
def test_a_frame_is_found_whose_crc_looks_like_the_start_of_a_payload(byte: int):
    """A crc of which one byte opens a MessagePack array must not hide the payload behind it."""
    suspicious = [beat(time) for time in range(2000) if byte in beat(time)[4:8]]
    assert len(suspicious) > 20
    assert all(find_frame(b"garbage" + data, 0) == 7 for data in suspicious)


def test_no_frame_is_found_in_front_of_the_start_asked_for():
    data = beat(1) + beat(2)
    assert find_frame(data, 1) == len(beat(1))
    assert find_frame(data, len(beat(1)) + 1) is None


def test_what_only_looks_like_a_payload_is_no_frame():
    assert find_frame(bytes(8) + b"\x92\xa9heartbeat\x01", 0) is None
