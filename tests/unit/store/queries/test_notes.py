"""Notes in the projection: which stands, what goes, what is told."""

import json
from collections.abc import Iterator

import apsw
import msgspec
import pytest

from tasuki.journal import Stream
from tasuki.records import Alert, Correction, Lesson, NoteKind, RunDeleted, RunStarted, encode_frame
from tasuki.store import Queries, catch_up, connect_projection, read_events_after
from tests.support.sent_streams import Sent

BEGAN = 1_800_000_000_000_000


class SentOutside(Sent):
    """Streams of no run."""

    def streams(self, exclude=()) -> Iterator[Stream]:
        return (stream._replace(run="") for stream in super().streams(exclude))


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    db = connect_projection(":memory:")
    yield db
    db.close()


@pytest.fixture(params=[Sent, SentOutside], ids=["in a run", "outside"])
def source(request) -> Sent:
    return request.param()


def correction(n: int, event_id: str = "e", final: str = "f") -> Correction:
    return Correction(time=BEGAN + n, event_id=event_id, draft="d", final=final)


def listed(db: apsw.Connection, source: Sent) -> list[tuple[str, str, bool]]:
    catch_up(db, source)
    rows = Queries(db, lambda *_: True).notes("p")
    return [(row.event_id, row.content["final"], row.conflict) for row in rows]


def test_a_note_that_comes_again_in_any_stream_is_one(db, source):
    source.send([correction(0), correction(1)], "a")
    source.send([correction(2)], "b")
    assert listed(db, source) == [("e", "f", False)]


def test_the_first_stands_although_it_comes_last(db, source):
    source.send([correction(1, final="late"), correction(2, final="late")], "a")
    assert listed(db, source) == [("e", "late", False)]
    source.send([correction(0, final="early")], "b")
    assert listed(db, source) == [("e", "early", False), ("e", "late", True)]


def test_a_session_and_the_time_of_making_are_told_apart(db, source):
    made = [msgspec.structs.replace(correction(n), more={"created_at": n}) for n in range(2)]
    source.send([*made, msgspec.structs.replace(correction(2), session=1)])
    assert listed(db, source) == [("e", "f", False), ("e", "f", True)]


def test_a_deleted_runs_notes_go_with_it_and_another_one_stands(db):
    source, outside = Sent(), SentOutside()
    source.send([RunStarted(time=BEGAN, attempt="one"), correction(0, final="of the run")], "a")
    outside.send([correction(5, final="of the brain")], "b")
    listed(db, outside)
    assert listed(db, source) == [("e", "of the run", False), ("e", "of the brain", True)]
    source.send([RunDeleted(time=BEGAN + 9), correction(10)], "a")
    assert listed(db, source) == [("e", "of the brain", False)]


def test_a_brain_without_runs_is_a_project(db):
    source = SentOutside()
    source.send([correction(0)])
    catch_up(db, source)
    (project,) = Queries(db, lambda *_: True).projects()
    assert (project.name, project.runs, project.updated) == ("p", 0, BEGAN)
    assert Queries(db, lambda *_: True).runs("p") == []


def test_what_is_about_runs_means_nothing_outside_of_them(db):
    source = SentOutside()
    source.send([RunStarted(time=BEGAN, attempt="one"), Alert(time=BEGAN, title="x"), RunDeleted(time=BEGAN), correction(3)])
    assert listed(db, source) == [("e", "f", False)]


def test_one_event_tells_of_all_new_notes_of_a_stream(db, source):
    source.send([correction(n, event_id=str(n)) for n in range(5)])
    catch_up(db, source)
    told = [json.loads(event.data) for event in read_events_after(db, 0, 10)]
    run = "" if isinstance(source, SentOutside) else "r"
    assert {"type": "note", "project": "p", "run": run, "n": 5} in told


def test_a_note_that_has_no_form_in_json_is_listed_as_rejected_and_stops_nothing(db, source):
    odd = msgspec.msgpack.encode(["event", BEGAN, "x", None, "n", {b"bytes": 1}, {}])
    source.data["w"] = encode_frame(odd)
    source.send([correction(1)])
    assert listed(db, source) == [("e", "f", False)]
    assert len(db.execute("SELECT * FROM rejected").fetchall()) == 1


def test_notes_are_searched_in_their_texts_and_not_in_the_names_of_their_fields(db, source):
    source.send([correction(0), Lesson(time=BEGAN + 1, event_id="l", text='Say "how" many', more={"of": ["Straße"]})])
    catch_up(db, source)
    queries = Queries(db, lambda *_: True)
    assert [row.event_id for row in queries.notes("p", search='"HOW"')] == ["l"]
    assert [row.event_id for row in queries.notes("p", NoteKind.LESSON, search="STRASSE")] == ["l"]
    assert queries.notes("p", search="draft") == []


def test_a_session_of_more_than_64_bits_is_no_note():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"time": 1, "event_id": "e", "session": 2**63}, Correction)
