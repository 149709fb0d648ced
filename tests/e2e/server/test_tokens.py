"""A real server with tokens: nothing is open, no token reaches further than it says, and a revoked one is over at once."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tasuki.records import ReplicateRequest, ReplicateResponse, ReplyStatus
from tasuki.server.app import create_app
from tasuki.server.auth.guards import PUBLIC, REQUIREMENT_KEY
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tasuki.server.components import Components
from tasuki.settings import load
from tests.support.servers import SERVE, Server, Stream, metrics, serving, started

SECRET = "behind the wall"


class House:
    """A server with tokens and two projects, each with a run; `ask` asks with the token of a name."""

    def __init__(self, folder: Path, server: Server, texts: dict[str, str]) -> None:
        self.folder, self.server, self.texts = folder, server, texts
        self.clients = {name: server.connected(text) for name, text in texts.items()} | {"nobody": server.connected(None)}

    def ask(self, who: str, method: str, path: str, **more) -> httpx.Response:
        return self.clients[who].request(method, path, **more)

    def send(self, who: str, *items) -> list[ReplyStatus] | int:
        """What became of each item, or the status of the refusal."""
        body = msgspec.msgpack.encode(ReplicateRequest(items=list(items)))
        answer = self.ask(who, "POST", "/api/v1/replicate", content=body, headers={"Content-Type": "application/msgpack"})
        if answer.status_code != 200:
            return answer.status_code
        return [reply.status for reply in msgspec.msgpack.decode(answer.content, type=ReplicateResponse).items]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tokens")
    with open_tokens(folder) as tokens:
        texts = {
            "admin": tokens.create(Scope.ADMIN),
            "read a": tokens.create(Scope.READ, "a"),
            "log a": tokens.create(Scope.LOG, "a", name="cluster"),
            "log a too": tokens.create(Scope.LOG, "a", name="cluster"),
            "other log a": tokens.create(Scope.LOG, "a"),
            "write a": tokens.create(Scope.WRITE, "a"),
            "read empty": tokens.create(Scope.READ, "empty"),
            "write all": tokens.create(Scope.WRITE),
        }
    with serving(folder, host="0.0.0.0", token=texts["admin"]) as server:
        house = House(folder, server, texts)
        assert house.send("admin", Stream("a", "r").item([started(SECRET), *metrics(1, 2)])) == ["stored"]
        assert house.send("admin", Stream(SECRET, "r").item([started(SECRET), *metrics(1, 2)])) == ["stored"]
        yield house
        for client in house.clients.values():
            client.close()


@pytest.mark.filterwarnings("ignore:.*Inferred dependency")
def test_no_route_is_open_but_the_files_of_the_page_and_what_is_signed(tmp_path, house):
    parts = Components(load({}, dir=str(tmp_path)))
    app = create_app(parts, "127.0.0.1").app
    parts.tokens.close()
    parts.readers.close()
    parts.background_readers.close()
    said = {}
    for route in app.routes:
        handlers = getattr(route, "route_handlers", None) or [route.route_handler]
        for handler in handlers:
            for method in getattr(handler, "http_methods", {"GET"}) - {"OPTIONS"}:
                said[method, route.path] = handler.opt.get(REQUIREMENT_KEY)
    signed = ("POST", "/api/webhooks/{provider:str}")
    assert {where for where, needed in said.items() if needed == PUBLIC} == {("GET", "/"), ("GET", "/{path:path}"), signed}
    assert len(said) > 18
    for (method, path), needed in said.items():
        if needed != PUBLIC:
            url = path.replace("{id:str}", "r") + "?project=a&run=r&metric=loss"
            for who in ("nobody", "forged"):
                headers = {"Authorization": "Bearer tsk_" + "0" * 12 + "_" + "A" * 43} if who == "forged" else {}
                answer = house.ask("nobody", method, url, headers=headers)
                assert answer.status_code == 401, (method, url, answer.text)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.json()["hint"]
                assert SECRET not in answer.text


QUESTIONS = ["runs", "runs/r", "runs/r/metrics", "runs/r/history", "runs/r/points?metric=loss", "summaries", "alerts", "streams",
             "series?run=r&metric=loss"]  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_token_of_one_project_can_neither_read_another_nor_learn_whether_it_exists(house, question):
    def asked(who, project):
        mark = "&" if "?" in question else "?"
        return house.ask(who, "GET", f"/api/v1/{question}{mark}project={project}")

    assert asked("read a", "a").status_code == 200
    there, absent = asked("read a", SECRET), asked("read a", "never heard of it")
    assert (there.status_code, absent.status_code) == (403, 403)
    assert there.text.replace(SECRET, "x") == absent.text.replace("never heard of it", "x")
    assert asked("read a", f"a&project={SECRET}").status_code == 403
    assert asked("read a", f"{SECRET}&project=a").status_code == 403
    assert asked("log a", "a").status_code == 403
    assert SECRET not in asked("read empty", "empty").text
    assert asked("write all", SECRET).status_code == 200


def test_a_token_of_one_project_reads_and_makes_notes_of_no_other_brain(house):
    def noted(who, brain):
        correction = {"session": 1, "draft_preview": who, "final_preview": brain}
        by_ingest = house.ask(who, "POST", "/api/v1/ingest", json={"brain_id": brain, "event_id": who, "correction": correction})
        by_sync = house.ask(who, "POST", "/api/v1/sync", json={"brain_name": brain, "lessons": [{"text": f"{who} {brain}"}]})
        return by_ingest.status_code, by_sync.status_code

    assert noted("log a", "a") == noted("write all", SECRET) == (200, 200)
    assert noted("log a", SECRET) == noted("read a", "a") == (403, 403)
    assert noted("nobody", "a") == (401, 401)
    assert len(house.ask("read a", "GET", "/api/v1/notes?brain=a").json()["notes"]) == 2
    assert house.ask("read a", "GET", f"/api/v1/notes?brain={SECRET}").status_code == 403
    assert house.ask("read a", "GET", f"/api/v1/notes?project=a&brain={SECRET}").status_code == 403


def test_lists_show_only_what_may_be_read(house):
    def projects(who):
        return [row["name"] for row in house.ask(who, "GET", "/api/v1/projects").json()["projects"]]

    assert projects("read a") == ["a"]
    assert projects("read empty") == []
    assert SECRET in projects("write all")


def test_events_of_other_projects_do_not_come(house):
    with house.clients["read a"].stream("GET", "/api/events") as events:
        lines = events.iter_lines()
        assert next(lines) == "event: connection"
        house.send("admin", Stream(SECRET, "new").item([started(), *metrics(1)]))
        house.send("admin", Stream("a", "seen").item([started(), *metrics(1)]))
        for line in lines:
            assert SECRET not in line
            if "seen" in line:
                break
    assert house.ask("read a", "GET", f"/api/events?project={SECRET}").status_code == 403
    assert house.ask("log a", "GET", "/api/events").status_code == 403


def test_a_log_token_creates_runs_and_touches_only_its_own(house):
    own, others = Stream("a", "own"), Stream("a", "r")
    assert house.send("log a", own.item([started()])) == ["stored"]
    assert house.send("log a", others.item([started()])) == 403
    assert house.send("log a", others.item(metrics(1)), own.item(metrics(1))) == ["rejected", "stored"]
    assert house.send("log a too", own.item(metrics(2))) == ["stored"]  # of the same name: one replaces the other
    assert house.send("other log a", own.item(metrics(3))) == 403
    assert house.send("other log a", msgspec.structs.replace(own.item(), offset=0, crc=0)) == 403  # not even ask
    assert house.send("write a", Stream("a", "own").item(metrics(9))) == ["stored"]
    assert house.send("log a", Stream(SECRET, "mine").item([started()])) == 403
    assert house.send("write a", Stream(SECRET, "r").item([started()])) == 403
    assert house.send("read a", Stream("a", "mine").item([started()])) == 403
    for who in ("log a", "read a"):
        assert house.ask(who, "POST", "/api/v1/purge?project=a&run=own").status_code == 403
    assert house.ask("write a", "POST", f"/api/v1/purge?project={SECRET}&run=r").status_code == 403


def test_streams_without_a_run_belong_to_who_began_them(house):
    notes = Stream("a", "x")
    notes.run = ""
    assert house.send("log a", notes.item([started()])) == ["stored"]
    assert house.send("other log a", notes.item(metrics(1))) == 403
    other = Stream("a", "x")
    other.run = ""
    assert house.send("other log a", other.item([started()])) == ["stored"]


def test_a_writer_of_another_project_is_not_told_of(house):
    stream = Stream(SECRET, "hidden")
    assert house.send("admin", stream.item([started()])) == ["stored"]
    stolen = msgspec.structs.replace(Stream("a", "mine2").item([started()]), writer=stream.writer)
    body = msgspec.msgpack.encode(ReplicateRequest(items=[stolen]))
    answer = house.ask("log a", "POST", "/api/v1/replicate", content=body, headers={"Content-Type": "application/msgpack"})
    reply = msgspec.msgpack.decode(answer.content, type=ReplicateResponse).items[0]
    assert (reply.status, reply.offset, reply.crc_at) == ("rejected", 0, None)
    assert SECRET.encode() not in answer.content


def test_a_revoked_token_stops_within_a_second_and_its_event_stream_with_it(house):
    with open_tokens(house.folder) as tokens:
        text = tokens.create(Scope.READ, "a")
        id = text.split("_")[1]
        with house.server.connected(text) as client, client.stream("GET", "/api/events") as events:
            lines = events.iter_lines()
            next(lines)
            tokens.revoke(id)
            revoked = time.monotonic()
            assert client.get("/api/v1/projects").status_code == 401
            list(lines)
            assert time.monotonic() - revoked < 1


def test_the_page_is_let_in_by_a_cookie_that_no_script_reads(house):
    origin = {"Origin": house.server.url}
    answer = house.ask("read a", "POST", "/api/v1/session", headers=origin)
    assert answer.json() == {"name": answer.json()["name"], "scope": "read", "project": "a"}
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    value = cookie.split(";")[0]
    asked = {"Cookie": value}
    assert house.ask("nobody", "GET", "/api/v1/runs?project=a", headers=asked).status_code == 200
    assert house.ask("nobody", "GET", f"/api/v1/runs?project={SECRET}", headers=asked).status_code == 403
    assert house.ask("nobody", "DELETE", "/api/v1/session", headers=asked).status_code == 403  # no origin
    gone = house.ask("nobody", "DELETE", "/api/v1/session", headers=asked | origin)
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    secure = house.ask("read a", "POST", "/api/v1/session", headers={"Origin": "https://h", "Host": "h"})
    assert "secure" in secure.headers["Set-Cookie"].lower()
    house.clients["read a"].cookies.clear()
    house.clients["nobody"].cookies.clear()


def test_no_answer_and_no_log_has_a_token(house):
    for text in house.texts.values():
        answers = [
            house.ask("nobody", "GET", f"/api/v1/runs?project={text}", headers={"Authorization": f"Bearer {text}x"}),
            house.ask("nobody", "POST", "/api/v1/replicate", content=b"{", headers={"Authorization": f"Bearer {text}"}),
            house.ask("nobody", "GET", "/api/v1/session", headers={"Authorization": f"Bearer {text}"}),
        ]
        assert all(text not in answer.text for answer in answers[1:])
        assert text not in "".join(house.server.said)


def test_a_server_becomes_closed_with_its_first_token_and_needs_no_restart(tmp_path):
    with serving(tmp_path) as server:
        assert server.get("projects").status_code == 200
        with server.client.stream("GET", "/api/events") as events, open_tokens(tmp_path) as tokens:
            lines = events.iter_lines()
            next(lines)
            text = tokens.create(Scope.LOG, "p")
            assert server.get("projects").status_code == 401
            list(lines)
            with server.connected(text) as client:
                assert client.get("/api/v1/session").json()["scope"] == "log"
            tokens.revoke(tokens.list_tokens()[0].id)
            assert server.get("projects").status_code == 401


def test_what_came_before_there_were_tokens_is_no_log_tokens_run(tmp_path):
    with serving(tmp_path) as server:
        stream = Stream("p", "old")
        server.replicate([stream.item([started()])])
        with open_tokens(tmp_path) as tokens:
            text = tokens.create(Scope.LOG, "p")
        body = msgspec.msgpack.encode(ReplicateRequest(items=[stream.item(metrics(1))]))
        with server.connected(text) as client:
            answer = client.post("/api/v1/replicate", content=body, headers={"Content-Type": "application/msgpack"})
        assert answer.status_code == 403


def test_beyond_this_machine_nothing_is_served_without_tokens(tmp_path):
    command = [sys.executable, "-c", SERVE, str(tmp_path), "0", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert "tokens come first" in done.stderr
