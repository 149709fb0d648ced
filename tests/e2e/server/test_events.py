"""Server-sent events of a real server: ids that are stored, replay, reset, slow readers, room per address."""

import json
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from tasuki.settings import load
from tasuki.store import connect_projection, open_folder_store
from tests.support.event_listener import Listener, Message
from tests.support.servers import Server, Stream, metrics, serving, started


def test_what_happens_is_told_with_stored_ids(server):
    stream = Stream("vision", "r1")
    with Listener(server) as listener:
        assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
        (hello,) = listener.take(1)
        assert (hello.name, hello.data["type"]) == ("connection", "connection")
        assert hello.data["boot_id"] == server.json("meta")["boot_id"]
        server.replicate([stream.item([started()])])
        server.replicate([stream.item(metrics(3))])
        run, points = listener.take(2)
    assert run[1:] == (None, {"type": "run", "project": "vision", "run": "r1"})
    assert points.data["points"] == {"loss": [[3, 1_800_000_000_000_004, 3.0]]}
    generation, sequence = map(int, run.id.split("-"))
    assert points.id == f"{generation}-{sequence + 1}"
    assert hello.id == f"{generation}-{sequence - 1}"


def test_an_event_comes_within_a_moment(server):
    stream = Stream()
    server.replicate([stream.item([started()])])
    with Listener(server) as listener:
        messages = iter(listener)
        next(messages)
        times = []
        for step in range(10):
            began = time.monotonic()
            server.replicate([stream.item(metrics(step))])
            while "points" not in next(messages).data:
                pass
            times.append(time.monotonic() - began)
    assert sorted(times)[5] < 0.3


def test_only_the_projects_that_are_named_are_told_of(server):
    with Listener(server, path="/api/events?project=%C3%85&project=two") as listener:
        listener.take(1)
        for name in ("other", "Å", "other", "two"):
            server.replicate([Stream(name, "mine").item([started()])])
        told = sorted(message.data["project"] for message in listener.take(2))
    assert told == ["two", "Å"]


def test_exactly_what_was_missed_is_replayed_then_it_goes_on(server):
    stream = Stream()
    with Listener(server) as listener:
        listener.take(1)
        server.replicate([stream.item([started()])])
        (seen,) = listener.take(1)
    for step in range(30):
        server.replicate([stream.item(metrics(step))])
        server.json("projects")
    for arguments in ({"last": seen.id}, {"path": f"/api/events?last_event_id={seen.id}"}):
        with Listener(server, **arguments) as listener:
            hello, *missed = listener.take(31)
            assert hello.id == seen.id
            assert [message.data["points"]["loss"][0][0] for message in missed] == list(range(30))
    with Listener(server, missed[9].id) as listener:
        assert listener.take(21)[1:] == missed[10:]
        server.replicate([stream.item(metrics(30))])
        (message,) = listener.take(1)
        assert message.data["points"]["loss"][0][0] == 30
        assert number(message) == number(missed[-1]) + 1


def number(message: Message) -> int:
    return int(message.id.split("-")[1])


def test_nothing_is_missed_or_told_twice_while_it_comes_fast_and_the_connection_breaks(server):
    stream = Stream()
    server.replicate([stream.item([started()])])
    server.json("projects")
    with Listener(server) as listener:
        last = listener.take(1)[0].id
    first = int(last.split("-")[1])
    halt = threading.Event()

    def send() -> None:
        step = 0
        while not halt.is_set():
            server.replicate([stream.item(metrics(step))])
            step += 1

    sender = threading.Thread(target=send)
    sender.start()
    steps: list[int] = []
    ids: list[int] = []
    for _ in range(20):
        with Listener(server, last) as listener:
            for message in listener.take(8):
                if message.name is None:
                    steps += [step for step, *_ in message.data["points"]["loss"]]
                    ids.append(number(message))
                last = message.id
    halt.set()
    sender.join()
    assert steps == list(range(len(steps)))
    assert ids == list(range(first + 1, first + 1 + len(ids)))


@pytest.mark.parametrize("last", ["1-999999", "99-1", "0-0"])
def test_an_id_of_another_time_gets_a_reset(server, last):
    with Listener(server, last) as listener:
        hello, reset = listener.take(2)
    assert (hello.name, reset.name, reset.data["type"]) == ("connection", "reset", "reset")


@pytest.mark.parametrize("last", ["", "x", "1", "-", "1-x", "1-" + "9" * 40, "²-1"])
def test_what_is_no_id_counts_as_none(server, last):
    server.replicate([Stream().item([started()])])
    with Listener(server, path="/api/events?last_event_id=" + (last if last.isascii() else "%C2%B2-1")) as listener:
        (hello,) = listener.take(1)
        server.replicate([Stream().item([started()])])
        (run,) = listener.take(1)
    assert (hello.name, run.name) == ("connection", None)


def test_pruned_events_get_a_reset_and_kept_ones_are_replayed(folder: Path):
    with serving(folder) as server:
        stream = Stream()
        server.replicate([stream.item([started()])])
        for step in range(5):
            server.replicate([stream.item(metrics(step))])
            server.json("projects")
    (path,) = folder.glob("store.*.db")
    db = connect_projection(path)
    db.execute("DELETE FROM event WHERE sequence <= 3")
    db.close()
    with serving(folder) as server:
        with Listener(server, "1-2") as listener:
            assert listener.take(2)[1].name == "reset"
        with Listener(server, "1-3") as listener:
            assert [number(message) for message in listener.take(4)[1:]] == [4, 5, 6]


def test_a_rebuild_sends_a_reset_and_the_new_generation_goes_on(server, folder):
    stream = Stream()
    server.replicate([stream.item([started()])])
    server.json("projects")
    with Listener(server) as listener:
        (hello,) = listener.take(1)
        with open_folder_store(load(dir=str(folder))) as store:
            store.rebuild()
        (reset,) = listener.take(1)
        assert reset.name == "reset"
        assert reset.id.split("-")[0] != hello.id.split("-")[0]
        server.replicate([stream.item(metrics(1))])
        (points,) = listener.take(1)
        assert points.id.split("-")[0] == reset.id.split("-")[0]
        assert number(points) == number(reset) + 1
    with Listener(server, hello.id) as listener:
        assert listener.take(2)[1].name == "reset"


def test_a_sixth_stream_of_one_address_has_to_wait_for_a_place(server):
    listeners = [Listener(server) for _ in range(5)]
    for listener in listeners:
        listener.take(1)
    with Listener(server) as sixth:
        assert sixth.answer.status == 429
        assert int(sixth.answer.headers["Retry-After"]) > 0
        assert sixth.answer.headers["Tasuki-Protocol"] == "1"
        assert json.loads(sixth.answer.read())["error"] == "too-many-connections"
    listeners[0].__exit__()
    deadline = time.monotonic() + 5
    while True:
        with Listener(server) as again:
            if again.answer.status == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for listener in listeners[1:]:
        listener.__exit__()


def test_a_slow_reader_gets_a_reset_and_delays_nobody(server):
    long_name = f"a/long/name/of/a/metric/{'x' * 900}"
    streams = [Stream(run=f"r{number:03}") for number in range(200)]
    server.replicate([stream.item([started()]) for stream in streams])
    with socket.socket() as slow, Listener(server) as listener:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.recv(100)
        delays = []
        messages = iter(listener)
        for step in range(50):  # 10,000 events of 1 KB: more than all buffers and the queue
            began = time.monotonic()
            server.replicate([stream.item(metrics(step, name=long_name)) for stream in streams])
            told: set[str] = set()
            while len(told) < len(streams):
                data = next(messages).data
                if data.get("points", {}).get(long_name, [[None]])[-1][0] == step:
                    told.add(data["run"])
            delays.append(time.monotonic() - began)
        assert sorted(delays)[len(delays) // 2] < 1
        slow.settimeout(5)
        said = b""
        while b"event: reset" not in said:
            part = slow.recv(1_000_000)
            assert part
            said = said[-100:] + part


def test_a_heartbeat_comes_when_nothing_else_does(server):
    with Listener(server, path="/api/events?project=mine", timeout=20) as listener:
        (hello,) = listener.take(1)
        server.replicate([Stream("other").item([started()])])
        began = time.monotonic()
        (message,) = listener.take(1)
    assert message.name == "heartbeat"
    assert 13 < time.monotonic() - began < 17
    assert number(message) == number(hello) + 1, "what was not for this reader is not replayed either"


def test_a_reader_finds_everything_again_after_the_server_was_killed(folder: Path):
    server = Server(folder)
    stream = Stream()
    with Listener(server) as listener:
        listener.take(1)
        server.replicate([stream.item([started()])])
        last = listener.take(1)[0].id
        server.replicate([stream.item(metrics(1))])
        server.end(signal.SIGKILL)
    with serving(folder, server.port) as server:
        server.replicate([stream.item(metrics(2))])
        with Listener(server, last) as listener:
            steps: list[int] = []
            for message in listener:
                steps += [step for step, *_ in message.data.get("points", {}).get("loss", [])]
                if len(steps) == 2:
                    break
    assert steps == [1, 2]
