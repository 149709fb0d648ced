"""`tasuki mcp`, asked by the client of the official package over standard input and output, on a folder and on a server alike."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest
from mcp import Client, StdioServerParameters

from tests.support.processes import eventually
from tests.support.query_targets import Target
from tests.support.remote_server import free_port
from tests.support.shell import environment

BIG = 30_000


class Refused(Exception):
    """A tool said that it could not."""


class Agent:
    """An agent that has started `tasuki mcp`. A `with` block ends both."""

    def __init__(self, folder: Path, *options: str) -> None:
        variables = environment(folder)
        self.server = StdioServerParameters(command=sys.executable, args=["-m", "tasuki", "mcp", *options], env=variables)
        self.asked: Queue[tuple[str, dict[str, Any]] | None] = Queue()
        self.answered: Queue[Any] = Queue()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.converse()))

    async def converse(self) -> None:
        """One session, on a loop of its own."""
        async with Client(self.server) as client:
            self.tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            self.answered.put(None)
            while (call := await asyncio.to_thread(self.asked.get)) is not None:
                self.answered.put(await client.call_tool(*call))

    def __enter__(self) -> "Agent":
        self.thread.start()
        self.answered.get(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.asked.put(None)
        self.thread.join(30)

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers. Refused, with what it says."""
        self.asked.put((tool, arguments))
        result = self.answered.get(timeout=60)
        (content,) = result.content
        if result.is_error:
            raise Refused(content.text)
        assert json.loads(content.text) == result.structured_content  # for clients that read only one of the two
        found: dict[str, Any] = result.structured_content
        return found


@pytest.fixture(scope="module")
def seeded(seeded_target: Target) -> Target:
    """Three runs: one with a long series and much to say, one that got better, one that diverged."""
    run = seeded_target.init("long")
    for step in range(BIG):
        run.log({"wave": float("nan") if step == 100 else 1e6 if step == 12_345 else step % 100})
    for n in range(300):
        run.alert(f"alert {n} {'x' * 1000}", data={"rows": ["y" * 100] * 100})
    run.lesson("lr above 1 diverges", confidence=0.8)
    run.finish()
    for name, lr, losses in (("good", 0.1, [3.0, 1.0, 0.5]), ("bad", 9.0, [3.0, 9.0, float("nan")])):
        run = seeded_target.init(name, config={"lr": lr, "seed": 7}, tags=["base"])
        run.watch("loss", max_value=8.0)
        for step, loss in enumerate(losses):
            run.log({"loss": loss, "acc": step / 2}, step=step)
        run.finish()
    return seeded_target


@pytest.fixture(scope="module")
def agent(seeded: Target) -> Iterator[Agent]:
    with Agent(seeded.reader, "--project", seeded.project, *(["--remote", seeded.url] if seeded.url else [])) as agent:

        def complete() -> bool:
            try:
                return len(agent.call("list_runs")["runs"]) == 3 and agent.call("notes")["total"] == 1
            except Refused:
                return False

        eventually(complete)
        yield agent


def test_the_tools_say_what_they_are_for_and_which_changes_something(agent: Agent):
    assert set(agent.tools) == {
        "list_projects", "list_runs", "summarize", "best", "compare", "series", "alerts", "notes", "wait", "stop",
    }  # fmt: skip
    for name, tool in agent.tools.items():
        assert len(tool.description) > 40
        assert tool.annotations.read_only_hint == (name != "stop")
    assert agent.tools["series"].input_schema["required"] == ["run", "metric"]
    assert "0.3" in agent.tools["wait"].input_schema["properties"]["until"]["description"]


def test_projects_and_runs_are_listed_the_newest_first(agent: Agent, seeded: Target):
    assert seeded.project in {project["name"] for project in agent.call("list_projects")["projects"]}
    found = agent.call("list_runs")
    assert [(run["name"], run["status"]) for run in found["runs"]] == [
        ("bad", "finished"), ("good", "finished"), ("long", "finished"),
    ]  # fmt: skip
    assert found["runs"][0]["last"] == {"acc": 1.0, "loss": "NaN"}
    assert (found["total"], found["not_shown"]) == (3, 0)
    few = agent.call("list_runs", limit=1)
    assert ([run["name"] for run in few["runs"]], few["total"], few["not_shown"]) == (["bad"], 3, 2)
    assert agent.call("list_runs", status="running")["runs"] == []


def test_a_project_and_a_run_are_summarized(agent: Agent, seeded: Target):
    project = agent.call("summarize")
    assert (project["runs"], project["statuses"]["finished"], project["notes"]) == (3, 3, 1)
    assert {row["metric"]: (row["runs"], row["min"], row["max"]) for row in project["metrics"]}["loss"] == (2, 0.5, 9.0)
    run = agent.call("summarize", run="bad")
    assert run["config"] == {"lr": 9.0, "seed": 7}
    assert run["metrics"]["loss"] | {"n": 0} == {
        "n": 0, "first": 3.0, "last": "NaN", "last_step": 2, "min": 3.0, "min_step": 0, "max": 9.0, "max_step": 1,
    }  # fmt: skip
    assert [(alert["reason"], alert["step"], alert["value"]) for alert in run["last_alerts"]] == [
        ("max_value", 1, 9.0), ("nan", 2, "NaN"),
    ]  # fmt: skip


def test_runs_are_ranked_and_put_side_by_side(agent: Agent):
    assert [(run["rank"], run["name"], run["value"]) for run in agent.call("best", metric="loss")["runs"]] == [(1, "good", 0.5)]
    by_max = agent.call("best", metric="loss", mode="max", by="max", top=1)["runs"]
    assert [(run["name"], run["value"], run["step"]) for run in by_max] == [("bad", 9.0, 1)]
    found = agent.call("compare", runs=["good", "bad"], metrics=["loss"])
    assert [(run["name"], run["config"], run["metrics"]["loss"]["last"]) for run in found["runs"]] == [
        ("good", {"lr": 0.1}, 0.5), ("bad", {"lr": 9.0}, "NaN"),
    ]  # fmt: skip


def test_a_long_series_is_reduced_and_keeps_every_extreme(agent: Agent):
    found = agent.call("series", run="long", metric="wave", points=50)
    assert (found["n"], len(found["min"]), found["from_step"][0], found["to_step"][-1]) == (BIG, 50, 0, BIG - 1)
    assert (max(found["max"]), min(found["min"]), sum(found["nan"]), found["last"][-1]) == (1e6, 0.0, 1, 99.0)
    assert np.all(np.array(found["from_step"][1:]) == np.array(found["to_step"][:-1]) + 1)
    short = agent.call("series", run="good", metric="loss")
    assert (short["from_step"], short["last"]) == ([0, 1, 2], [3.0, 1.0, 0.5])


def test_alerts_go_on_where_they_ended_and_no_answer_is_too_large_to_read(agent: Agent):
    seen, since, largest = [], None, 0
    while True:
        answer = agent.call("alerts", run="long", limit=200, **({} if since is None else {"since": since}))
        if not answer["alerts"]:
            break
        largest = max(largest, len(json.dumps(answer)))
        seen += [alert["title"].split()[1] for alert in answer["alerts"]]
        since = answer["next_since"]
    assert seen == [str(n) for n in range(300)]
    assert largest < 80_000
    assert answer["next_since"] == since
    assert [alert["reason"] for alert in agent.call("alerts", reason="nan")["alerts"]] == ["nan"]


def test_notes_are_searched(agent: Agent):
    (note,) = agent.call("notes", search="DIVERGES", kind="lesson")["notes"]
    assert (note["text"], note["content"]["confidence"]) == ("lr above 1 diverges", 0.8)
    assert agent.call("notes", search="nothing like it")["notes"] == []


def test_errors_say_what_there_is(agent: Agent):
    with pytest.raises(Refused, match=r"has no run 'goood'.*good"):
        agent.call("summarize", run="goood")
    with pytest.raises(Refused, match=r"no metric 'los'.*loss"):
        agent.call("series", run="good", metric="los")
    with pytest.raises(Refused, match=r"'loss' is no condition.*'val/acc>0.97'"):
        agent.call("wait", run="good", until="loss")
    with pytest.raises(Refused, match="points"):
        agent.call("series", run="good", metric="loss", points=10**9)


def test_a_server_that_can_not_be_reached_is_an_error_and_never_an_answer_from_here(seeded: Target):
    nowhere = f"http://127.0.0.1:{free_port()}"
    with Agent(seeded.folder, "--remote", nowhere) as agent, pytest.raises(Refused, match="can't be reached"):
        agent.call("list_runs", project=seeded.project)


TRAINS = """
import sys, time, tasuki
run = tasuki.init(name="live")
for step in range(100_000):
    run.log({"loss": 100.0 / (step + 1)}, step=step)
    if stop := tasuki.should_stop():
        print("stopped", stop.reason, flush=True)
        break
    time.sleep(0.01)
run.finish()
"""


def test_an_agent_waits_for_a_run_and_then_stops_it(agent: Agent, seeded: Target):
    with seeded.child(TRAINS) as child:
        eventually(lambda: "live" in {run["name"] for run in agent.call("list_runs")["runs"]})
        found = agent.call("wait", run="live", until="loss<50", timeout_seconds=20)
        assert (found["outcome"], found["met"], found["run"]["status"]) == ("true", True, "running")
        assert found["value"] < 50
        assert agent.call("wait", run="live", timeout_seconds=0.1)["outcome"] == "timeout"
        assert agent.call("stop", run="live", reason="seen enough")["asked"]["reason"] == "seen enough"
        assert child.expect("stopped ") == "seen enough"
        child.done()
        assert agent.call("wait", run="live", timeout_seconds=20)["outcome"] == "true"
