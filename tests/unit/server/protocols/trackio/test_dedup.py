"""Which deliveries are known."""

import random

from tasuki.server.protocols.trackio.dedup import IdSet, id_of


def test_ids_are_known_exactly():
    ids, rest = IdSet(), [id_of("log", str(number)) for number in range(5000)]
    random.Random(1).shuffle(rest)
    added: set[bytes] = set()
    for size in (1, 1, 2, 500, 1, 3000, 7):
        batch, rest = rest[:size], rest[size:]
        assert ids.known(batch) == [False] * size
        ids.add(batch)
        added |= set(batch)
        assert ids.known([*batch, rest[0]]) == [True] * size + [False]
    assert all(ids.known(sorted(added)))
    assert not any(ids.known(rest))
    assert len(ids.columns) <= 6


def test_zeros_at_an_ids_end_count():
    ids = IdSet()
    ids.add([b"a" + bytes(15)])
    assert ids.known([b"a" + bytes(15), b"a" + bytes(14) + b"\1", bytes(16)]) == [True, False, False]
    assert ids.known([]) == []
    ids.add([])


def test_a_log_and_an_alert_of_one_name_are_two():
    assert id_of("log", "1") != id_of("alert", "1")
    assert len(id_of("log", "é\ud800")) == 16
