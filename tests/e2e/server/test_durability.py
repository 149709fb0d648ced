"""A real server: what it has answered `stored` is kept, whatever happens; and it stops when it is told to."""

import base64
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tasuki.records import ReplyStatus
from tasuki.settings import load
from tasuki.store import RawStore, open_folder_store
from tests.support.servers import Sender, Server, Stream, metrics, serving, started


def test_what_is_sent_is_stored_projected_and_answered_at_once(server):
    stream = Stream("vision", "r1")
    (reply,) = server.replicate([stream.item([started("calm")])]).items
    assert (reply.status, reply.offset, reply.crc) == (ReplyStatus.STORED, stream.offset, stream.crc)
    server.replicate([stream.item(metrics(*range(10)))])
    (run,) = server.json("runs", project="vision")["runs"]
    assert (run["id"], run["name"], run["points"], run["status"]) == ("r1", "calm", 10, "running")
    assert server.json("projects")["projects"][0]["name"] == "vision"


def test_sending_again_changes_nothing_and_a_gap_is_not_taken(server):
    stream = Stream()
    first, second, third = stream.item([started()]), stream.item(metrics(1)), stream.item(metrics(2))
    statuses = [[reply.status for reply in server.replicate([item]).items] for item in (first, first, third, second, third)]
    assert [status for (status,) in statuses] == ["stored", "duplicate", "moved", "stored", "stored"]
    assert server.json("runs", project="p")["runs"][0]["points"] == 2


def test_json_with_base64_does_the_same(server):
    stream = Stream()
    item = stream.item([started()])
    body = {**msgspec.structs.asdict(item), "data": base64.b64encode(item.data).decode()}
    answer = server.client.post("/api/v1/replicate", json={"items": [body]})
    assert answer.json()["items"][0]["status"] == "stored"
    assert answer.json()["boot_id"] == server.json("meta")["boot_id"]


def test_27_senders_at_once_share_commits_and_lose_nothing(server, folder):
    streams = [Stream(run=f"r{number:02}") for number in range(27)]

    def send(stream: Stream) -> None:
        with Sender(server) as post:
            post(stream.item([started()]))
            for step in range(20):
                assert post(stream.item(metrics(step))).status is ReplyStatus.STORED

    with ThreadPoolExecutor(27) as pool:
        list(pool.map(send, streams))
    runs = server.json("runs", project="p", limit=100)
    assert (runs["total"], runs["missing"]) == (27, 0)
    assert {run["points"] for run in runs["runs"]} == {20}


def test_what_was_answered_stored_survives_sigkill_at_any_moment(folder):
    acknowledged: dict[str, int] = {}
    server = Server(folder)
    for _ in range(3):
        streams = [Stream() for _ in range(4)]
        halt = threading.Event()

        def send(stream: Stream, server: Server = server, halt: threading.Event = halt) -> None:
            with Sender(server) as post:
                step = 0
                while not halt.is_set():
                    try:
                        post(stream.item(metrics(step)))
                    except ConnectionError:
                        return
                    acknowledged[stream.run] = step + 1
                    step += 1

        threads = [threading.Thread(target=send, args=(stream,)) for stream in streams]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        projector = server.projector
        server.end(signal.SIGKILL)
        halt.set()
        for thread in threads:
            thread.join()
        projector.wait(5)
        server = Server(folder, server.port)
    found = {run["id"]: run["points"] for run in server.json("runs", project="p", limit=100)["runs"]}
    server.end()
    assert len(acknowledged) == 12
    assert sum(acknowledged.values()) > 100
    for run, points in acknowledged.items():
        assert found[run] in (points, points + 1)  # the last one may have been stored without an answer


def test_a_server_keeps_its_id_and_says_that_it_started_anew(folder):
    with serving(folder) as server:
        first = server.json("meta")
    with serving(folder) as server:
        second = server.json("meta")
    assert first["server_id"] == second["server_id"]
    assert first["boot_id"] != second["boot_id"]
    assert first["protocols"] == [1]


def test_a_purged_run_is_gone_and_what_is_sent_of_it_is_discarded(server):
    item, other = Stream(run="gone").item([started(), *metrics(1, 2)]), Stream(run="kept").item([started()])
    server.replicate([item, other])
    assert server.json("runs", project="p")["total"] == 2
    assert server.client.post("/api/v1/purge", params={"project": "p", "run": "gone"}).json() == {"streams": 1}
    assert server.replicate([item]).items[0].status is ReplyStatus.STORED
    assert [row["run"] for row in server.json("streams", project="p")["streams"]] == ["kept"]
    assert [row["id"] for row in server.json("runs", project="p")["runs"]] == ["kept"]
    with open_folder_store(load(dir=str(server.folder))) as store:
        assert store.verify().problems == []


def test_streams_say_how_far_they_are_and_what_they_hash_to(server):
    stream = Stream(run="r1")
    server.replicate([stream.item([started()]), stream.item(metrics(1), sealed=True)])
    (row,) = server.json("streams", project="p")["streams"]
    assert (row["writer"], row["offset"], row["crc"], row["sealed"]) == (stream.writer, stream.offset, stream.crc, True)
    assert row["sha256"] is None
    (row,) = server.json("streams", project="p", digest=1)["streams"]
    assert (row["offset"], row["damaged"], len(row["sha256"])) == (stream.offset, False, 64)


def test_a_flipped_byte_in_the_raw_store_is_found_and_stops_nobody_else(folder):
    bad, good = Stream(run="bad"), Stream(run="good")
    with serving(folder) as server:
        server.replicate([stream.item([started()]) for stream in (bad, good)])
    store = RawStore(folder / "raw.db")
    (data,) = store.db.execute("SELECT data FROM item WHERE writer = ?", (bad.writer,)).fetchone()
    store.db.execute("UPDATE item SET data = ? WHERE writer = ?", (data[:-1] + bytes([data[-1] ^ 1]), bad.writer))
    store.close()
    with serving(folder) as server:
        server.replicate([good.item(metrics(1))])
        rows = {row["run"]: row for row in server.json("streams", project="p", digest=True)["streams"]}
        assert (rows["bad"]["damaged"], rows["bad"]["offset"]) == (True, 0)
        assert rows["good"]["damaged"] is False
        assert server.json("runs/good", project="p")["points"] == 1


def test_an_open_stream_of_events_does_not_hold_the_stop(folder):
    server = Server(folder)
    projector = server.projector
    with server.client.stream("GET", "/api/events") as events:
        next(events.iter_lines())
        waiting = threading.Thread(target=lambda: server.replicate([], wait_s=25))
        waiting.start()
        time.sleep(0.3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 3
        waiting.join()
    assert not projector.is_running()
    server.end()
    assert [line for line in server.said[1:] if "job status polling" not in line] == []


def test_the_projector_goes_when_the_server_is_killed(folder):
    server = Server(folder)
    projector = server.projector
    server.end(signal.SIGKILL)
    projector.wait(5)
    assert not projector.is_running()


def test_a_word_is_waited_for_as_long_as_was_asked(server):
    began = time.monotonic()
    answer = server.replicate([], wait_s=0.5)
    assert (answer.items, answer.control) == ([], [])
    assert 0.4 < time.monotonic() - began < 2
