"""A real server: pages, charts, tags, and answers that wait for the projector, but not for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest

from tasuki.client.binary_body import MEDIA_TYPE, decode_arrays, decode_header
from tasuki.sdk import init
from tasuki.settings import load
from tasuki.store import open_folder_store
from tests.support.servers import Server, Stream, metrics, started


@pytest.fixture
def runs(server: Server) -> list[Stream]:
    streams = [Stream(run=f"r{number}") for number in range(5)]
    for stream in streams:
        server.replicate([stream.item([started(stream.run), *metrics(*range(25))])])
    return streams


def test_pages_have_every_run_once_in_either_order(server, runs):
    for order in ("created", "-created"):
        found, cursor = [], {}
        while True:
            page = server.json("runs", project="p", limit=2, order=order, **cursor)
            assert page["total"] == 5
            found += [run["id"] for run in page["runs"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert sorted(found) == ["r0", "r1", "r2", "r3", "r4"]
        assert found == sorted(found, reverse=order != "created")


def test_a_history_is_paged_while_it_grows(server, runs):
    page = server.json("runs/r0/history", project="p", limit=10)
    server.replicate([runs[0].item(metrics(25, 26))])
    rows = page["history"]
    while page["next"]:
        page = server.json("runs/r0/history", project="p", limit=10, cursor=page["next"])
        rows += page["history"]
    assert [row["step"] for row in rows] == list(range(27))


def test_an_answer_that_is_known_is_not_sent_again(server, runs):
    for path, asked in (
        ("projects", {}),
        ("runs", {"project": "p"}),
        ("series", {"project": "p", "run": "r0", "metric": "loss"}),
        ("runs/r0/points", {"project": "p", "metric": "loss"}),
        ("runs/r0/history", {"project": "p"}),
    ):
        tag = server.get(path, **asked).headers["ETag"]
        again = server.client.get(f"/api/v1/{path}", params=asked, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    server.replicate([runs[0].item(metrics(25))])
    for path, asked in (("runs", {"project": "p"}), ("series", {"project": "p", "run": "r0", "metric": "loss"})):
        again = server.client.get(f"/api/v1/{path}", params=asked, headers={"If-None-Match": tag})
        assert again.status_code == 200


def test_a_chart_comes_as_json_and_as_a_frame_with_the_same_content(server, runs):
    runs[1].item()
    server.replicate([runs[1].item([*metrics(40), *[msgspec.structs.replace(metrics(41)[0], values={"loss": float("nan")})]])])
    asked = {"project": "p", "run": ["r0", "r1"], "metric": ["loss", "nothing"], "columns": 10}
    chart, nothing = server.json("series", **asked)["series"]
    answer = server.client.get("/api/v1/series", params=asked, headers={"Accept": MEDIA_TYPE})
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    header, start = decode_header(answer.content)
    assert start % 8 == 0
    assert (chart["columns"], chart["from_step"], chart["to_step"], chart["x"][-1]) == (10, 0, 41, 41)
    assert (nothing["columns"], nothing["runs"]) == (0, [])
    assert [(run["run"], run["n"]) for run in header["series"][0]["runs"]] == [("r0", 25), ("r1", 27)]
    x, *lines = decode_arrays(answer.content, start, [("<f8", 10), *[("<f4", 10), ("<f4", 10), ("<f4", 10), ("u1", 10)] * 2])
    assert x.tolist() == chart["x"]
    for run, arrays in zip(chart["runs"], (lines[:4], lines[4:]), strict=True):
        for name, array in zip(("min", "max", "last", "nan"), arrays, strict=True):
            expected = np.array([np.nan if value is None else value for value in run[name]])
            np.testing.assert_array_equal(array, expected.astype(array.dtype))
    assert chart["runs"][1]["nan"][-1] == 1
    assert chart["runs"][1]["max"][-1] == 40


def test_a_zoomed_chart_has_only_those_steps(server, runs):
    (chart,) = server.json("series", project="p", run="r0", metric="loss", columns=640, from_step=5, to_step=9)["series"]
    assert (chart["x"], chart["runs"][0]["n"]) == ([5, 6, 7, 8, 9], 5)


def test_an_answer_waits_for_what_was_stored_but_not_for_ever(server, runs):
    assert server.json("runs/r0", project="p")["points"] == 25
    server.projector.suspend()
    try:
        server.replicate([runs[0].item(metrics(*range(25, 42)))])
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: server.json("runs/r0", project="p"), range(8)))
        assert 1 < time.monotonic() - began < 2
        assert {(answer["points"], answer["missing"]) for answer in answers} == {(25, 17)}
        began = time.monotonic()
        assert server.json("meta")
        assert time.monotonic() - began < 0.5
        server.replicate([Stream("new", "r").item([started()])])
        assert "records are not in the answers yet" in server.get("runs", project="new").json()["hint"]
    finally:
        server.projector.resume()
    answer = server.json("runs/r0", project="p")
    assert (answer["points"], answer["missing"]) == (42, 0)


def test_an_answer_waits_for_the_place_that_is_named(server, runs):
    item = runs[0].item(metrics(99))
    timer = threading.Timer(0.5, lambda: server.replicate([item]))
    timer.start()
    answer = server.json("runs/r0", project="p", after=f"{runs[0].writer}:{runs[0].offset}")
    timer.join()
    assert (answer["points"], answer["missing"]) == (26, 0)
    began = time.monotonic()
    answer = server.json("runs/r0", project="p", after=f"{runs[0].writer}:{runs[0].offset + 1}")
    assert answer["missing"] > 0
    assert time.monotonic() - began < 2


def test_a_projector_that_dies_is_started_again(server, runs):
    projector = server.projector
    projector.kill()
    server.replicate([runs[0].item(metrics(99))])
    deadline = time.monotonic() + 20
    while (answer := server.get("runs/r0", project="p")).status_code != 200 or answer.json()["missing"]:
        assert time.monotonic() < deadline
    assert answer.json()["points"] == 26
    assert server.projector.pid != projector.pid


def test_journals_of_this_machine_and_commands_on_the_folder_go_on_at_once(server, folder):
    halt = threading.Event()
    counts: list[list[int]] = [[], []]

    def read(counted: list[int]) -> None:
        with open_folder_store(load(dir=str(folder))) as store:
            while not halt.is_set():
                counted.append(sum(row.points for row in store.runs("local")) if store.projects() else 0)

    readers = [threading.Thread(target=read, args=(counted,)) for counted in counts]
    for reader in readers:
        reader.start()
    stream = Stream("local", "sent")
    with init("local", "here", dir=str(folder)) as run:
        for step in range(300):
            run.log({"loss": step}, step=step)
            if step % 10 == 0:
                server.replicate([stream.item(metrics(step))])
    page = server.json("runs", project="local")
    halt.set()
    for reader in readers:
        reader.join()
    assert {row["id"]: row["points"] for row in page["runs"]} == {run.id: 300, "sent": 30}
    assert all(counted == sorted(counted) for counted in counts)
    with open_folder_store(load(dir=str(folder))) as store:
        assert store.verify().problems == []
