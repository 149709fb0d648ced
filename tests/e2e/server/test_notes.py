"""A real server: notes of light clients, which keep no journal of their own."""

import concurrent.futures
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.servers import Server, serving

BARE = {"session": 12, "draft_preview": "thee", "final_preview": "the"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("ingesting")) as server:
        yield server


@pytest.fixture
def brain(request: pytest.FixtureRequest) -> str:
    """A brain for each test alone."""
    return str(request.node.name)


def post(server: Server, path: str, body: Any, **query: str) -> httpx.Response:
    return server.client.post(f"/api/v1/{path}", json=body, params=query)


def notes(server: Server, brain: str, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.json("notes", brain=brain, **asked)["notes"]
    return found


class TestIngest:
    def test_a_correction_is_readable_when_the_answer_comes(self, server, brain):
        answer = post(server, "ingest", {"brain_id": brain, "event_id": "e1", "correction": BARE | {"source": "cli"}})
        assert answer.json() == {"status": "ok", "event_id": "e1", "deduplicated": False}
        (note,) = notes(server, brain)
        assert (note["event_id"], note["kind"], note["session"], note["category"]) == ("e1", "correction", 12, "UNKNOWN")
        assert note["content"] == {
            "draft": "thee", "final": "the", "category": "UNKNOWN", "severity": "minor", "source": "cli",
        }  # fmt: skip

    def test_a_bare_correction_is_of_the_brain_in_the_url(self, server, brain):
        first, second = (
            post(server, "ingest", BARE | {"created_at": at}, brain=brain).json() for at in ("2027-01-01", "2027-01-02")
        )
        assert (first["deduplicated"], second["deduplicated"]) == (False, True)
        assert first["event_id"] == second["event_id"]
        assert [note["content"]["created_at"] for note in notes(server, brain)] == ["2027-01-01"]

    def test_the_same_event_is_stored_once_however_often_and_by_how_many_it_comes(self, server, brain):
        body = {"brain_id": brain, "event_id": "e", "correction": BARE}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [answer.json() for answer in pool.map(lambda _: post(server, "ingest", body), range(24))]
        assert sorted(answer["deduplicated"] for answer in answers) == [False] + [True] * 23
        assert len(notes(server, brain)) == 1

    def test_an_id_with_other_content_is_a_conflict_and_the_first_stands(self, server, brain):
        post(server, "ingest", {"brain_id": brain, "event_id": "e", "correction": BARE})
        answer = post(server, "ingest", {"brain_id": brain, "event_id": "e", "correction": BARE | {"final_preview": "tea"}})
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
        assert [note["content"]["final"] for note in notes(server, brain)] == ["the"]

    @pytest.mark.parametrize(("body", "status"), [
        ({"correction": {}}, 422),
        ({"correction": BARE | {"session": "x"}}, 422),
        ({"correction": BARE | {"severity": "huge"}}, 422),
        ({"correction": BARE | {"description": "x" * 100_001}}, 422),
        ({"correction": BARE, "brain_id": ""}, 422),
        ({"correction": BARE, "brain_id": "\n"}, 422),
        ({"correction": []}, 422),
        ([], 400),
        ("x", 400),
    ])  # fmt: skip
    def test_what_is_no_correction_is_refused_with_the_reason(self, server, body, status):
        answer = post(server, "ingest", body)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.json()["detail"]


class TestSync:
    def test_all_that_a_brain_has_gathered_is_stored_and_counted(self, server, brain):
        body = {
            "brain_name": brain,
            "corrections": [BARE, BARE | {"final_preview": "tea"}],
            "lessons": [{"description": "be brief", "confidence": 0.9, "state": "RULE"}],
            "events": [{"type": "session.end", "data": {"n": 1}}],
            "meta_rules": [{"principle": "less is more"}],
            "manifest": {"version": "1.2"},
        }
        said = post(server, "sync", body).json()
        assert {name: value for name, value in said.items() if name.endswith(("_synced", "_count", "status"))} == {
            "status": "ok", "corrections_synced": 2, "lessons_synced": 1, "events_synced": 1, "meta_rules_synced": 1,
            "ingested_count": 6,
        }  # fmt: skip
        found = {note["kind"]: note for note in notes(server, brain, after=said["new_watermark"])}
        assert found["lesson"]["content"] == {"text": "be brief", "confidence": 0.9, "state": "RULE"}
        assert (found["event"]["text"], found["event"]["content"]["data"]) == ("session.end", {"n": 1})
        assert found["meta_rule"]["content"] == {"principle": "less is more"}
        assert found["manifest"]["content"] == {"version": "1.2"}
        again = post(server, "sync", body | {"cursor": said["new_watermark"]}).json()
        assert (again["ingested_count"], again["new_watermark"]) == (0, said["new_watermark"])
        assert all(result["deduplicated"] for result in again["results"])
        assert len(notes(server, brain)) == 6

    def test_one_bad_note_is_named_and_nothing_of_the_request_is_stored(self, server, brain):
        body = {"brain_name": brain, "corrections": [BARE, {"session": None}], "lessons": [{"category": "x"}]}
        answer = post(server, "sync", body)
        assert answer.status_code == 422
        assert "corrections[1]: " in answer.json()["detail"]
        assert "lessons[0]: " in answer.json()["detail"]
        assert server.get("notes", brain=brain).status_code == 404

    def test_a_conflict_refuses_the_request_and_what_stands_stays(self, server, brain):
        post(server, "sync", {"brain_name": brain, "lessons": [{"text": "a", "event_id": "e"}]})
        answer = post(server, "sync", {"brain_name": brain, "lessons": [{"text": "new"}, {"text": "b", "event_id": "e"}]})
        assert answer.status_code == 409
        assert "lessons[1]: e" in answer.json()["detail"]
        assert [note["text"] for note in notes(server, brain)] == ["a"]

    def test_an_empty_sync_is_answered(self, server, brain):
        said = post(server, "sync", {"brain_name": brain}).json()
        assert (said["status"], said["ingested_count"], said["results"]) == ("ok", 0, [])


class TestNotes:
    def test_notes_come_page_by_page_in_both_directions(self, server, brain):
        post(server, "sync", {"brain_name": brain, "lessons": [{"text": f"lesson {n}"} for n in range(7)]})
        for order, expected in (("created", range(7)), ("-created", range(6, -1, -1))):
            found, cursor = [], None
            while True:
                page = server.json("notes", brain=brain, limit=3, order=order, **({"cursor": cursor} if cursor else {}))
                assert page["total"] == 7
                found += [note["text"] for note in page["notes"]]
                if not (cursor := page["next"]):
                    break
            assert found == [f"lesson {n}" for n in expected]

    @pytest.mark.parametrize("asked", [{"kind": "wish"}, {"cursor": "x"}, {"since": 2**70}])
    def test_what_can_not_be_asked_is_refused(self, server, asked):
        assert server.get("notes", brain="any", **asked).status_code == 400


def test_600_requests_a_minute_are_served_and_other_brains_are_not_touched(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for _ in range(600):
            assert post(server, "sync", {"brain_name": "busy"}).status_code == 200
        refused = post(server, "ingest", {"brain_id": "busy", "correction": BARE})
        assert (refused.status_code, refused.json()["error"]) == (429, "too-fast")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert post(server, "ingest", {"brain_id": "calm", "correction": BARE}).status_code == 200


def test_what_was_answered_survives_sigkill_and_the_stream_goes_on_where_it_ended(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for n in range(20):
            assert post(server, "ingest", {"brain_id": "b", "event_id": f"e{n}", "correction": BARE}).status_code == 200
        server.end(signal.SIGKILL)
    with serving(tmp_path) as server:
        assert post(server, "ingest", {"brain_id": "b", "event_id": "e3", "correction": BARE}).json()["deduplicated"]
        assert not post(server, "ingest", {"brain_id": "b", "event_id": "e20", "correction": BARE}).json()["deduplicated"]
        assert len(notes(server, "b")) == 21
        assert len(server.json("streams", project="b")["streams"]) == 1
    with open_folder_store(load(dir=str(tmp_path))) as store:
        assert len(store.notes("b")) == 21
        assert store.verify().problems == []


def test_what_comes_after_a_purge_is_stored(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        post(server, "ingest", {"brain_id": "b", "event_id": "e1", "correction": BARE})
        assert server.client.post("/api/v1/purge", params={"project": "b", "run": ""}).json() == {"streams": 1}
        post(server, "ingest", {"brain_id": "b", "event_id": "e2", "correction": BARE})
        assert [note["event_id"] for note in notes(server, "b")] == ["e2"]
        server.end()
    with serving(tmp_path) as server:
        post(server, "ingest", {"brain_id": "b", "event_id": "e3", "correction": BARE})
        assert [note["event_id"] for note in notes(server, "b")] == ["e2", "e3"]
