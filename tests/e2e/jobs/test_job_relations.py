"""Jobs and what is around them: runs, users, the background tasks of a program, the demonstration."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tasuki.jobs import get_task_manager, start_background_tasks, stop_background_tasks
from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tasuki.testing import FakeReplicate
from tests.support.event_listener import Listener
from tests.support.job_servers import settings_of, site_at
from tests.support.processes import ROOT, eventually
from tests.support.servers import Server
from tests.support.shell import TASUKI, environment

TRAINING = """
import sys, time, pathlib, tasuki
run = tasuki.init(project="digits", name="by-a-job", config={"total_steps": 8})
for step in range(8):
    run.log({"loss": 1 / (1 + step)}, step=step)
    print("step 1/100", flush=True)
    if step == 5:
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.05)
run.finish()
"""


def test_a_run_joins_the_job_that_makes_it_and_tells_how_far_it_is(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        gate = tmp_path / "gate"
        variables = {"TASUKI_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT / "src")}
        id = site.submit("local", command=[sys.executable, "-c", TRAINING, str(gate)], env=variables)["job_id"]
        eventually(lambda: site.job(id)["progress"] == 75.0)  # 6 of 8: the lines say 1.0
        assert site.progress(id)["progress"] == 75.0
        gate.touch()
        job = site.until(id, "completed")
        run = site.server.json("runs", project="digits")["runs"][0]
        assert (job["run_id"], run["environment"]["job"]) == (run["id"], id)
        assert site.jobs(job_type="local")["jobs"][0]["run_id"] == run["id"]
        assert "step 1/100" in site.call("GET", f"jobs/{id}/logs")["logs"]
        assert not any("PYTHONPATH" in str(value) for value in job.values())  # what it was given is not shown


def test_who_has_another_token_sees_nothing_of_a_job(tmp_path: Path):
    folder = tmp_path / "data"
    with open_tokens(folder) as tokens:
        anna, berta = (tokens.create(Scope.WRITE, name=name) for name in ("anna", "berta"))
        admin = tokens.create(Scope.ADMIN, name="admin")
    with FakeReplicate() as fake, ExitStack() as stack:
        (folder / "tasuki.yaml").write_text(settings_of(fake))
        server = Server(folder, token=admin)
        stack.callback(server.end)
        a, b = (stack.enter_context(server.connected(token)) for token in (anna, berta))
        made = a.post("/api/cloud/jobs/submit?provider=replicate", json={"inputs": {"upload_token": "hidden"}}).json()["job"]
        id = made["job_id"]
        assert made["user_id"] == "anna"
        fake.set(made["external_id"], status="processing", logs="secret of anna\n")
        for client, n in ((a, 1), (b, 0), (server.client, 1)):
            listed = client.get("/api/cloud/jobs?sync_active=true").json()
            assert (len(listed["jobs"]), listed["total"]) == (n, n)
            assert client.get("/api/cloud/metrics").json()["total"] == n
            assert "hidden" not in client.get("/api/cloud/jobs").text
        for method, path in (
            ("GET", ""), ("GET", "/logs"), ("GET", "/logs/stream"), ("GET", "/inline-progress"),
            ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""),
        ):  # fmt: skip
            answer = b.request(method, f"/api/cloud/jobs/{id}{path}")
            assert (answer.status_code, answer.json()["error"]) == (404, "job_not_found"), path
            assert "secret" not in answer.text
        assert "secret of anna" in a.get(f"/api/cloud/jobs/{id}/logs").text
        assert b.post("/api/cloud/jobs/submit", json={"command": "id"}).status_code == 403  # it would run as the server
        for path in ("/api/cloud/providers/replicate/config",):
            assert b.get(path).status_code == 403
            assert b.put(path, json={"token": "r8_other"}).status_code == 403
        shown = server.client.get("/api/cloud/providers/replicate/config")
        assert (shown.json()["token_is_set"], "r8_fake" in shown.text) == (True, False)
        told = told_to(server, berta, lambda: fake.set(made["external_id"], status="succeeded"), a)
        assert not any("job_id" in data for data in told)


def told_to(server: Server, token: str, change, owner: httpx.Client) -> list[dict]:
    """What somebody is told while a job changes, and after it a job of their own begins."""
    with server.connected(token) as client, client.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        change()
        owner.get("/api/cloud/jobs?sync_active=true")
        found: list[dict] = []
        client_of_own = server.connected(token)
        made = client_of_own.post("/api/cloud/jobs/submit?provider=replicate", json={"inputs": {}}).json()["job"]
        client_of_own.close()
        for line in lines:
            if line.startswith("data: "):
                data = json.loads(line[6:])
                if data.get("job_id") == made["job_id"]:
                    return found
                found.append(data)
    return found


def test_a_body_over_the_cap_is_413_and_an_unknown_field_400(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        big = site.server.client.post("/api/cloud/jobs/submit", content=b'{"command": "' + b"x" * (9 * 1024 * 1024) + b'"}')
        assert (big.status_code, big.json()["error"]) == (413, "too-large")
        assert site.call("POST", "jobs/submit", 400, json={"commands": "id"})["error"] == "bad_request"
        huge = site.submit("replicate", metadata={"n": 2**70}, inputs={"n": 2**70})
        assert huge["metadata"]["n"] == 2.0**70
        assert site.call("POST", "jobs/submit", 404, params={"provider": "x"}, json={})["error"] == "provider_not_found"


def test_one_key_is_one_job_even_at_once_and_another_submission_is_refused(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        ids: list[str] = []

        def submit() -> None:
            ids.append(site.submit(inputs={"a": 1}, idempotency_key="k")["job_id"])

        threads = [threading.Thread(target=submit) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(ids)) == 1
        assert len(site.fake.objects) == 1
        assert (
            site.call("POST", "jobs/submit?provider=replicate", 409, json={"inputs": {}, "idempotency_key": "k"})["error"]
            == "conflict"
        )


def test_a_submission_without_an_answer_is_bound_if_there_is_one_like_it_and_else_lost(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        site.fake.fail("POST /v1/predictions$", drop=True)
        job = site.submit(inputs={"a": 1})
        assert (job["status"], job["external_id"] in site.fake.objects) == ("queued", True)
        site.fake.add(input={"b": 2})
        job = site.submit(inputs={"b": 2})
        assert (job["sync_state"], len(job["metadata"]["candidates"])) == ("lost", 2)
        site.fake.heal()
        site.refresh()
        assert (site.job(job["job_id"])["sync_state"], len(site.fake.objects)) == ("lost", 3)
        assert site.call("POST", f"jobs/{job['job_id']}/cancel")["job"]["status"] == "cancelled"


def test_what_was_found_while_it_was_submitted_is_one_job_and_not_two(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        site.submit(inputs={"a": 0})
        site.fake.fail("POST /v1/predictions$", drop=True)
        hidden = site.fake.fail("GET /v1/predictions$")
        lost = site.submit(inputs={"a": 1})
        assert (lost["status"], lost["external_id"]) == ("pending", None)
        site.fake.faults.remove(hidden)
        site.sync()  # finds it, or what goes on with it did before
        eventually(lambda: site.job(lost["job_id"])["external_id"] is not None)
        assert sorted(job["status"] for job in site.jobs()["jobs"]) == ["queued", "queued"]
        assert site.jobs()["total"] == 2


def test_a_provider_that_is_down_gets_what_is_submitted_when_it_is_up_again(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        site.submit(inputs={"first": 1})
        site.fake.throttle("POST", seconds=1)
        waiting = site.submit(inputs={"second": 2})["job_id"]
        assert site.job(waiting)["raw_status"].startswith("put off")
        gone = site.submit(inputs={"third": 3})["job_id"]
        assert site.call("POST", f"jobs/{gone}/cancel")["job"]["status"] == "cancelled"
        site.fake.heal()
        site.until(waiting, "queued")
        assert [thing["input"] for thing in site.fake.objects.values()] == [{"first": 1}, {"second": 2}]


def test_a_job_that_ignores_term_is_killed_with_all_it_has_started(tmp_path: Path):
    with site_at(tmp_path / "data", local={"kill_seconds": 0.5}) as site:
        script = "trap '' TERM; sleep 1000 & echo $! > child; echo ready; while :; do sleep 0.1; done"
        id = site.submit("local", command=f"cd {tmp_path}; {script}")["job_id"]
        eventually(lambda: "ready" in site.call("GET", f"jobs/{id}/logs")["logs"])
        site.call("POST", f"jobs/{id}/cancel")
        assert site.until(id, "cancelled")["error_message"] == "cancelled"
        child = int((tmp_path / "child").read_text())
        eventually(lambda: not Path(f"/proc/{child}").exists())


def test_a_program_starts_and_stops_the_tasks_and_twice_changes_nothing(data_dir: Path):
    async def live() -> None:
        manager = get_task_manager()
        assert not manager.running
        assert await start_background_tasks() is manager
        assert await start_background_tasks() is manager
        assert manager.running
        assert manager._running
        await stop_background_tasks()
        await stop_background_tasks()
        assert not manager.running

    asyncio.run(live())


def test_the_demonstration_has_jobs_that_make_progress(tmp_path: Path):
    command = [*TASUKI, "serve", f"--dir={tmp_path}", "--port=0", "--demo-jobs"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(tmp_path), start_new_session=True) as process:
        assert process.stderr is not None
        url = next(word for word in process.stderr.readline().split() if word.startswith("http://"))
        assert httpx.post(f"{url}api/cloud/jobs/sync").json()["synced"] == 5
        eventually(lambda: any(job["status"] == "running" for job in httpx.get(f"{url}api/cloud/jobs").json()["jobs"]))
        os.kill(process.pid, signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("believed", [True, False])
def test_only_a_trusted_proxy_is_believed_who_is_behind_it(tmp_path: Path, believed: bool):
    with site_at(tmp_path / "data", trusted_proxies=["127.0.0.1"] if believed else [], events_per_address=1) as site:
        behind = {"X-Forwarded-For": "10.9.9.9"}
        with Listener(site.server) as first, site.server.client.stream("GET", "/api/events", headers=behind) as answer:
            assert first.answer.status == 200
            assert answer.status_code == (200 if believed else 429)
