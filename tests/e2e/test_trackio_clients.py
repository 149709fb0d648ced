"""A server that an unchanged trackio logs to: real clients from PyPI, each a process of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasuki.relay.remote import HttpQuery
from tests.servers import Server
from tests.trackio_clients import run_script

TRAIN = """
import trackio

trackio.init(project="digits", name="calm-otter", group="sweep", config={"lr": 0.1, "net": {"width": 32}, "big": 2**63})
for step in range(30):
    trackio.log({"train/loss": 1 / (step + 1), "ok": step % 2 == 0}, step=step)
trackio.log({"odd": float("nan"), "high": float("inf"), "eval": {"acc": 0.5, "note": "fine"}, "none": None}, step=30)
trackio.alert("loss is flat", text="for long", level=trackio.AlertLevel.ERROR)
trackio.log_system({"gpu/0/utilization": 93.0})
trackio.log_system({"gpu/0/utilization": 94.0})
trackio.finish()
"""
RESUME = """
import trackio

run = trackio.init(project="digits", name="calm-otter", resume="must", config={"lr": 0.2})
trackio.log({"train/loss": 0.01})
trackio.finish()
print("resumed", run.id)
"""


@pytest.fixture
def client(tmp_path: Path) -> Path:
    """Where a client keeps what it could not send."""
    folder = tmp_path / "client"
    folder.mkdir()
    return folder


@pytest.fixture
def query(server: Server) -> Iterator[HttpQuery]:
    with HttpQuery(server.url) as query:
        yield query


def call(server: Server, name: str, *args: Any, status: int = 200, token: str = "any", **kwargs: Any) -> Any:
    """What trackio's client posts."""
    body = {"args": args, "kwargs": kwargs}
    answer = server.client.post(f"/api/{name}", json=body, headers={"X-Trackio-Write-Token": token})
    assert answer.status_code == status, answer.text
    return answer.json()["data" if status == 200 else "error"]


def test_all_that_an_unchanged_script_logs_is_there(server, query, client):
    said = run_script(TRAIN, server.url, client)
    assert "Warning" not in said
    (row,) = query.runs("digits")
    assert (row.name, row.group, row.config) == ("calm-otter", "sweep", {"lr": 0.1, "net": {"width": 32}, "big": float(2**63)})
    assert row.environment["tracker"] == "trackio"
    history = query.history("digits", row.id)
    assert [(one.step, one.metrics["train/loss"]) for one in history if "ok" in one.metrics] == [
        (step, 1 / (step + 1)) for step in range(30)
    ]
    (odd,) = query.history("digits", row.id, "odd")
    assert odd.step == 30
    assert json.dumps(odd.metrics) == '{"odd": NaN}'
    assert query.history("digits", row.id, "high")[0].metrics == {"high": float("inf")}
    assert query.series("digits", row.id, "eval/acc").values.tolist() == [0.5]
    assert query.series("digits", row.id, "system/gpu/0/utilization").values.tolist() == [93.0, 94.0]
    (alert,) = query.alerts("digits")
    assert (alert.title, alert.text, alert.level, alert.step) == ("loss is flat", "for long", "error", 30)
    (note,) = query.files("digits")
    assert (note.key, note.step, note.form, note.size) == ("eval/note", 30, "text", 4)


def test_a_resumed_run_goes_on_where_it_ended(server, query, client):
    run_script(TRAIN, server.url, client)
    (before,) = query.runs("digits")
    said = run_script(RESUME, server.url, client)
    assert f"resumed {before.id}" in said
    (row,) = query.runs("digits")
    assert (row.attempt, row.config["lr"], row.config["net"]) == (2, 0.2, {"width": 32})
    assert query.history("digits", row.id)[-1].metrics == {"train/loss": 0.01}
    assert query.history("digits", row.id)[-1].step == 31
