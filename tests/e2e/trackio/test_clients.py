"""A server that an unchanged trackio logs to: real clients from PyPI, each a process of its own."""

import hashlib
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import apsw
import pytest

from tasuki.client.http_query import HttpQuery
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.support import remote_server as remotes
from tests.support.peer_trackers import peer_python
from tests.support.processes import eventually
from tests.support.servers import Server, serving
from tests.support.trackio_clients import run_script, trackio_environment

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
    with server.connected(None) as client:
        answer = client.post(f"/api/{name}", json=body, headers={"X-Trackio-Write-Token": token})
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


MEDIA = """
import numpy as np
import pathlib
import trackio

run = trackio.init(project="digits", name="calm-otter")
trackio.log({
    "loss": 0.5,
    "samples": trackio.Image(np.full((4, 4, 3), 200, dtype=np.uint8), caption="all <b>grey</b>"),
    "confusion": trackio.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]]),
    "weights": trackio.Histogram([0.0, 1.0, 1.0], num_bins=2),
    "report": trackio.Markdown("# Fine"),
}, step=7)
pathlib.Path("configs").mkdir()
pathlib.Path("configs/net.yaml").write_text("width: 32")
trackio.save("configs/net.yaml")
trackio.finish()
"""


def test_media_tables_histograms_and_saved_files_arrive_with_their_content(server, query, client):
    run_script(MEDIA, server.url, client)
    (run,) = query.runs("digits")
    files = {row.key or row.name: row for row in query.files("digits", run.id)}
    assert {key: (row.form, row.step) for key, row in files.items()} == {
        "samples": ("image", 7), "confusion": ("table", 7), "weights": ("histogram", 7), "report": ("markdown", 7),
    }  # fmt: skip
    assert query.series("digits", run.id, "loss").values.tolist() == [0.5]
    image = files["samples"]
    assert (image.caption, image.media_type) == ("all <b>grey</b>", "image/png")
    answer = server.get(f"files/{image.sha256}", project="digits", run=run.id)
    assert (answer.status_code, answer.headers["content-type"], len(answer.content)) == (200, "image/png", image.size)
    assert hashlib.sha256(answer.content).hexdigest() == image.sha256
    assert answer.headers["content-disposition"].startswith("inline;")
    table = server.get(f"files/{files['confusion'].sha256}", project="digits", run=run.id)
    assert table.json()["_value"] == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert server.get(f"files/{files['report'].sha256}", project="digits", run=run.id).text == "# Fine"
    (saved,) = query.files("digits", "")
    assert (saved.name, saved.run, saved.size) == ("configs/net.yaml", "", 9)
    assert server.get(f"files/{saved.sha256}", project="digits").text == "width: 32"
    assert [row.id for row in query.files("digits")] == [row.id for row in (*query.files("digits", run.id), saved)]


def test_what_could_run_in_a_browser_is_only_saved(server, folder):
    page = b"<script>alert(1)</script>"
    (word,) = server.client.post("/api/upload", files={"files": ("../../x.html", page)}).json()["paths"]
    entry = {"project": "p", "run": "r", "step": 1, "uploaded_file": {"path": word, "orig_name": '../../ev"il\r\n.html'}}
    call(server, "bulk_upload_media", uploads=[entry])
    (row,) = server.json("runs/r/files", project="p")["files"]
    answer = server.get(f"files/{row['sha256']}", project="p", run="r")
    assert (answer.content, answer.headers["content-type"]) == (page, "application/octet-stream")
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''ev_il_.html"
    assert "default-src 'none'; sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [path.name for path in (folder / "blobs").iterdir()] == [hashlib.sha256(page).hexdigest()]


def test_a_file_is_only_where_it_belongs(server):
    (word,) = server.client.post("/api/upload", files={"files": ("a.txt", b"secret")}).json()["paths"]
    call(server, "bulk_upload_media", uploads=[{"project": "p", "run": "r", "uploaded_file": {"path": word}}])
    call(server, "log", project="q", run="r", metrics={"x": 1})
    (row,) = server.json("files", project="p", run="r")["files"]
    for asked in ({"project": "q", "run": "r"}, {"project": "p"}, {"project": "p", "run": "s"}):
        assert server.get(f"files/{row['sha256']}", **asked).status_code == 404
    for name in ("../server.db", "..%2fserver.db", "0" * 63, "G" * 64):
        assert server.get(f"files/{name}", project="p", run="r").status_code in {400, 404}
    missing = server.get(f"files/{'0' * 64}", project="p", run="r")
    assert missing.status_code == 404


@pytest.mark.parametrize("killed", [False, True], ids=["same server", "after a SIGKILL"])
def test_what_is_sent_again_is_there_once(folder, killed):
    logs = [
        {"project": "p", "run": "n", "run_id": "r", "metrics": {"x": step}, "step": step, "log_id": f"{step}"} for step in range(40)
    ]
    alert = {
        "project": "p",
        "run": "n",
        "run_id": "r",
        "title": "t",
        "level": "error",
        "alert_id": "1",
        "data": {"window": [5, None]},
    }
    system = {
        "project": "p",
        "run": "n",
        "run_id": "r",
        "metrics": {"cpu": 1},
        "log_id": "1",
        "timestamp": "2026-11-24T00:00:00+00:00",
    }
    with ExitStack() as servers:
        server = servers.enter_context(serving(folder))
        call(server, "bulk_log", logs=logs[:20])
        call(server, "bulk_alert", alerts=[alert])
        call(server, "bulk_log_system", logs=[system])
        if killed:
            server.end(signal.SIGKILL)
            server = servers.enter_context(serving(folder))
        call(server, "bulk_log", logs=[*logs, logs[30]], hf_token=None)
        call(server, "bulk_log", [*logs])
        call(server, "bulk_alert", alerts=[alert, alert])
        call(server, "bulk_log_system", logs=[system, system | {"log_id": "2", "metrics": {"cpu": 2}}])
        query = servers.enter_context(HttpQuery(server.url))
        assert query.series("p", "r", "x").values.tolist() == list(range(40))
        system_cpu = query.series("p", "r", "system/cpu")
        assert (system_cpu.steps.tolist(), system_cpu.values.tolist()) == ([0, 1], [1, 2])
        assert system_cpu.times[0] == 1795478400_000_000
        (found,) = query.alerts("p")
        assert (found.data, found.level) == ({"window": [5, None]}, "error")
        assert query.run("p", "r").attempt == 1


def test_calls_that_come_at_the_same_time_are_there_once(server):
    logs = [{"project": "p", "run": "r", "metrics": {"x": step}, "step": step, "log_id": f"{step}"} for step in range(500)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda first: call(server, "bulk_log", logs=logs[first:] + logs[:first]), range(0, 500, 25)))
    with HttpQuery(server.url) as query:
        assert query.series("p", "r", "x").steps.tolist() == list(range(500))


def test_the_state_of_a_run_is_kept(server):
    for run in ("a", "b", "c"):
        call(server, "log", "p", run, {"x": 1}, 3)
    call(server, "bulk_run_status", statuses=[{"project": "p", "run": run, "status": status, "reason": "why"} for run, status in
                                              (("a", "finished"), ("b", "failed"), ("c", "running"))])  # fmt: skip
    with HttpQuery(server.url) as query:
        assert [(row.id, row.status, row.reason) for row in query.runs("p")] == [
            ("a", "finished", "why"), ("b", "failed", "why"), ("c", "running", None),
        ]  # fmt: skip


def test_the_questions_of_trackios_command_line_are_answered(server):
    call(server, "log", "p", "a b", {"loss": 1, "acc": 2}, 3)
    call(
        server, "bulk_alert", alerts=[{"project": "p", "run": "a b", "title": title, "level": title} for title in ("info", "warn")]
    )
    assert call(server, "get_all_projects") == ["p"]
    (run,) = call(server, "get_runs_for_project", "p")
    assert run["name"] == "a b"
    assert call(server, "get_runs_for_project", "nobody's") == []
    assert call(server, "get_metrics_for_run", project="p", run="a b") == ["acc", "loss"]
    summary = call(server, "get_run_summary", project="p", run_id=run["id"])
    assert (summary["last_step"], summary["num_logs"], summary["config"]) == (3, 1, {})
    assert call(server, "get_run_summary", project="p", run="nobody")["last_step"] is None
    assert call(server, "get_project_summary", "p")["num_runs"] == 1
    assert [row["title"] for row in call(server, "get_alerts", "p")] == ["warn", "info"]
    assert [row["title"] for row in call(server, "get_alerts", "p", level="info", run="a b")] == ["info"]
    assert "docs/trackio.md" in call(server, "artifact_log", status=404)
    assert server.client.get("/version").json()["api_version"] == 1


def test_a_token_counts_as_it_does_everywhere(folder, tmp_path, client):
    with closing(open_tokens(folder)) as tokens:
        log = tokens.create(Scope.LOG, "digits", name="cluster")
        other = tokens.create(Scope.LOG, "digits", name="laptop")
        read = tokens.create(Scope.READ, "digits")
        write = tokens.create(Scope.WRITE, "other")
    with serving(folder, token=read) as server, HttpQuery(server.url, lambda: read) as query:
        run_script(TRAIN, server.url, client, token=log)
        assert "resumed" in run_script(RESUME, server.url, client, token=log)  # its own run, of which it is told
        (run,) = query.runs("digits")
        assert run.attempt == 2
        entry = {"project": "digits", "run": "calm-otter", "run_id": run.id, "metrics": {"x": 1}, "step": 1}
        assert "writ" in call(server, "bulk_log", logs=[entry], token=other, status=403)
        assert call(server, "get_runs_for_project", "digits", token=other) == []
        assert [row["id"] for row in call(server, "get_runs_for_project", "digits", token=read)] == [run.id]
        for token in (read, write):
            call(server, "bulk_log", logs=[entry], token=token, status=403)
        call(server, "get_runs_for_project", "digits", token=write, status=403)
        call(server, "bulk_log", logs=[entry], token="tsk_wrong", status=401)
        upload = {"files": {"files": ("a", b"a")}}
        for token, status in ((read, 403), ("tsk_wrong", 401), (log, 200)):
            with server.connected(None) as nobody:
                answer = nobody.post("/api/upload", headers={"X-Trackio-Write-Token": token}, **upload)
            assert answer.status_code == status
        with server.connected(None) as nobody:
            assert nobody.get("/version").status_code == 401
            assert nobody.get("/api/v1/files", params={"project": "digits"}).status_code == 401
        assert "x" not in {row.metric for row in query.summaries("digits")}


STEPS = 20_000
LONG = f"""
import time
import trackio

trackio.init(project="digits", name="calm-otter", config={{"lr": 0.1}})
for step in range({STEPS}):
    trackio.log({{"x": step, "loss": 1 / (step + 1)}}, step=step)
    if step % 100 == 0:
        time.sleep(0.02)
trackio.finish()
"""


def unsent(client: Path) -> list[int]:
    """The steps that a client still keeps for another time."""
    with closing(apsw.Connection(str(client / "digits.db"))) as db:
        return [step for (step,) in db.execute("SELECT step FROM metrics WHERE space_id IS NOT NULL")]


def test_what_trackio_delivers_while_the_server_is_killed_is_there_once(folder, client):
    with remotes.Server(folder) as server:
        server.stop()
        server.failpoints = "server.after_commit=kill:3"  # on the disk, and the client does not know
        server.start()
        script = [peer_python("trackio"), "-c", LONG]
        with Popen(script, env=trackio_environment(server.url, client), stdout=PIPE, stderr=PIPE, text=True) as training:
            for failpoints in ("server.within_batch=kill:2", ""):
                eventually(server.has_ended)
                server.failpoints = failpoints
                server.start()
            _, said = training.communicate(timeout=60)
        assert training.returncode == 0, said
        with server.caught_up() as query:
            (run,) = query.runs("digits")
            series = query.series("digits", run.id, "x")
            assert series.steps.tolist() == series.values.tolist() == sorted(set(range(STEPS)) - set(unsent(client)))
            assert len(series.steps) > STEPS // 2
            assert run.attempt == 1
