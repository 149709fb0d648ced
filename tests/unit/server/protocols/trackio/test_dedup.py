"""Which deliveries are known."""

import random

from tasuki.server.protocols.trackio.dedup import IdSet, hash_id


def test_ids_are_known_exactly():
    ids, rest = IdSet(), [hash_id("log", str(number)) for number in range(5000)]
    random.Random(1).shuffle(rest)
    added: set[bytes] = set()
    for size in (1, 1, 2, 500, 1, 3000, 7):
        batch, rest = rest[:size], rest[size:]
        assert ids.contains(batch) == [False] * size
        ids.add(batch)
        added |= set(batch)
        assert ids.contains([*batch, rest[0]]) == [True] * size + [False]
    assert all(ids.contains(sorted(added)))
    assert not any(ids.contains(rest))
    assert len(ids.columns) <= 6


def test_zeros_at_an_ids_end_count():
    ids = IdSet()
    ids.add([b"a" + bytes(15)])
    assert ids.contains([b"a" + bytes(15), b"a" + bytes(14) + b"\1", bytes(16)]) == [True, False, False]
    assert ids.contains([]) == []
    ids.add([])


def test_a_log_and_an_alert_of_one_name_are_two():
    assert hash_id("log", "1") != hash_id("alert", "1")
    assert len(hash_id("log", "é\ud800")) == 16
