"""Notes in a run, and in a brain."""

import json
import threading

import msgspec
import pytest

import tasuki
from tasuki.errors import ConfigError
from tasuki.records import Correction, Event, Lesson, Note
from tasuki.sdk.brain import Brain
from tests.support.journals import beginning, journals, records_of


@pytest.fixture
def brain(tmp_path):
    with Brain(tmp_path / "reviewer", session=12) as brain:
        yield brain


def noted(brain: Brain) -> list[Note]:
    return [record for path in journals(brain.settings.dir) for record in records_of(path) if isinstance(record, Note)]


def test_a_run_notes_in_its_own_journal(run, recorded):
    first = tasuki.correct("thee", "the", category="TYPO")
    tasuki.lesson("warm up longer", confidence=0.8)
    tasuki.event("restarted", {"after": 3})
    correction, lesson, event = recorded(Note)
    assert (correction.event_id, correction.draft, correction.final) == (first["event_id"], "thee", "the")
    assert (correction.category, correction.severity, correction.session) == ("TYPO", "minor", None)
    assert (lesson.text, lesson.confidence) == ("warm up longer", 0.8)
    assert (event.name, event.data) == ("restarted", {"after": 3})


def test_what_is_noted_is_in_the_journal_when_the_call_returns(brain):
    brain.correct("a", "b", context={"file": "x.py"})
    (note,) = noted(brain)
    assert (note.draft, note.final, note.session, note.context) == ("a", "b", 12, {"file": "x.py"})


def test_a_brain_keeps_its_name_and_its_notes_are_of_no_run(brain):
    brain.lesson("x")
    assert Brain(brain.settings.dir).id == brain.id == json.loads((brain.settings.dir / "brain.json").read_text())["brain_id"]
    (path,) = journals(brain.settings.dir)
    header, _ = beginning(path)
    assert (header.project, header.run) == (brain.id, "")


def test_brains_that_are_opened_at_once_agree_on_the_name(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(Brain(tmp_path).id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 8


def test_a_brain_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "brain.json").write_text("{")
    with pytest.raises(ConfigError, match="names no brain"):
        Brain(tmp_path)


def test_nothing_is_opened_before_the_first_note(brain):
    assert journals(brain.settings.dir) == []


def test_the_same_correction_in_one_session_is_one(brain):
    first, second = brain.correct("a", "b"), brain.correct("a", "b")
    assert second == {"event_id": first["event_id"], "deduplicated": True}
    assert brain.correct("a", "b", session=13)["event_id"] != first["event_id"]
    assert len(noted(brain)) == 2


def test_another_process_makes_the_same_id_of_the_same_content(brain):
    assert Brain(brain.settings.dir, session=12).correct("a", "b") == brain.correct("a", "b")


def test_equal_corrections_are_two_where_that_is_wanted(tmp_path):
    with Brain(tmp_path, deduplicate=False) as brain:
        assert brain.correct("a", "b")["event_id"] != brain.correct("a", "b")["event_id"]
        assert len(noted(brain)) == 2


def test_events_that_say_the_same_are_two(brain):
    assert brain.event("saved")["event_id"] != brain.event("saved")["event_id"]


def test_a_key_makes_one_note_of_two_calls_and_other_content_under_it_is_kept_too(brain):
    first = brain.correct("a", "b", idempotency_key="k")
    assert brain.correct("a", "b", idempotency_key="k") == first | {"deduplicated": True}
    assert brain.correct("a", "c", idempotency_key="k") == first
    assert [note.final for note in noted(brain)] == ["b", "c"]


def test_a_key_means_nothing_to_another_brain(brain, tmp_path):
    with Brain(tmp_path / "other") as other:
        assert other.correct("a", "b", idempotency_key="k") != brain.correct("a", "b", idempotency_key="k")


LONG = "x" * 100_001


@pytest.mark.parametrize(("call", "said"), [
    (lambda brain: brain.correct("", " "), "both empty"),
    (lambda brain: brain.correct("a", "a"), "equal"),
    (lambda brain: brain.correct(LONG, "a"), "draft has 100,001 characters"),
    (lambda brain: brain.correct("a", LONG), "final has 100,001 characters"),
    (lambda brain: brain.correct("a", "b", severity="huge"), "no severity 'huge'"),
    (lambda brain: brain.correct("a", "b", session="12"), "session='12'"),
    (lambda brain: brain.correct(None, "b"), "draft is a NoneType"),
    (lambda brain: brain.lesson(" "), "text is empty"),
    (lambda brain: brain.lesson(LONG), "text has 100,001"),
    (lambda brain: brain.lesson("x", confidence=80), "confidence=80"),
    (lambda brain: brain.event(""), "name is empty"),
])  # fmt: skip
def test_what_cannot_be_noted_is_a_value_error_that_says_why(brain, call, said):
    with pytest.raises(ValueError, match=said):
        call(brain)
    assert noted(brain) == []


def test_a_text_of_100_000_characters_is_noted(brain):
    brain.correct(LONG[1:], "")
    assert [len(note.draft) for note in noted(brain)] == [100_000]


def test_without_a_remote_a_session_ends_in_silence_and_goes_on(brain, recwarn):
    brain.correct("a", "b")
    assert brain.end_session() == {"sent": 0, "pending": 0}
    brain.correct("a", "c")
    assert len(noted(brain)) == 2
    assert not recwarn.list


def test_a_closed_brain_refuses_notes_and_its_journal_is_sealed(brain):
    brain.lesson("x")
    assert brain.close() == {"sent": 0, "pending": 0}
    (path,) = journals(brain.settings.dir)
    assert beginning(path)[0].is_sealed
    with pytest.raises(ConfigError, match="is closed"):
        brain.lesson("y")


def test_notes_need_a_run_where_there_is_no_brain():
    with pytest.raises(ConfigError, match="there is no run"):
        tasuki.lesson("x")


def test_a_note_keeps_fields_that_this_version_does_not_know():
    for kind in (Correction, Lesson, Event):
        note = kind(time=1, event_id="e", more={"of": {"a": [1, None]}})
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(note), type=kind).more == {"of": {"a": [1, None]}}
