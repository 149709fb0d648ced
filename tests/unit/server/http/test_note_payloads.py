"""Notes as light clients send them."""

import pytest

from tasuki.records import compute_note_digest
from tasuki.server.http.note_payloads import SyncRequest, parse_note, parse_notes
from tasuki.server.http.problems import HttpProblem

BARE = {"session": 1, "draft_preview": "d", "final_preview": "f"}


def test_the_id_is_made_from_what_is_said_and_not_from_when():
    ids = [parse_note("b", "corrections", 0, BARE | more, time).note.event_id for time, more in ((1, {}), (2, {"created_at": 7}))]
    assert len(set(ids)) == 1
    assert parse_note("b", "corrections", 0, BARE | {"session": 2}, 1).note.event_id != ids[0]
    assert parse_note("c", "corrections", 0, BARE, 1).note.event_id != ids[0]


def test_an_id_that_is_given_is_kept():
    assert parse_note("b", "lessons", 0, {"text": "x", "event_id": "mine"}, 1).note.event_id == "mine"


def test_fields_that_are_not_known_are_kept_and_nulls_count_as_absent():
    note = parse_note("b", "events", 0, {"type": "end", "tags": ["a"], "source": None, "created_at": "t"}, 1).note
    assert (note.name, note.more) == ("end", {"tags": ["a"], "created_at": "t"})


def test_what_two_names_say_is_kept():
    lesson = parse_note("b", "lessons", 0, {"text": "a", "description": "b"}, 1).note
    assert (lesson.text, lesson.more) == ("a", {"description": "b"})


def test_each_note_that_is_none_is_named():
    sync = SyncRequest(
        brain_name="b", corrections=[BARE, {}], lessons=[{"confidence": 2}], events=[{}], meta_rules=[{"event_id": ""}]
    )
    with pytest.raises(HttpProblem) as refusal:
        parse_notes("b", sync, 1)
    assert refusal.value.status == 422
    assert [part.split(":")[0] for part in refusal.value.detail.split("; ")] == [
        "corrections[1]", "lessons[0]", "events[0]", "meta_rules[0]",
    ]  # fmt: skip


def test_a_light_clients_correction_has_the_digest_of_the_same_one_in_a_journal():
    light = parse_note("b", "corrections", 0, BARE | {"category": "TONE"}, 1).note
    other = parse_note("b", "corrections", 0, {"created_at": 3} | BARE | {"category": "TONE", "severity": "minor"}, 2).note
    assert compute_note_digest(light) == compute_note_digest(other)
