"""The jobs' API as existing clients use it: 25 claims, each over real HTTP between processes, none of which may go missing."""

import fcntl
import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.event_listener import Listener, Message
from tests.support.job_servers import CALM, Site, site_at
from tests.support.processes import eventually
from tests.support.remote_server import free_port
from tests.support.servers import Server

THE_25 = [
    "test_01_the_example_of_the_documents_says_training_and_30",
    "test_02_a_job_that_does_not_run_says_nulls_without_a_call_and_an_unknown_one_is_404",
    "test_03_the_last_line_has_at_most_80_code_points_and_no_escape_codes",
    "test_04_steps_beat_epochs_and_the_newest_state_of_a_bar_counts",
    "test_05_false_friends_are_ignored_and_progress_stays_within_0_and_100",
    "test_06_saving_a_checkpoint_keeps_the_progress",
    "test_07_a_providers_error_is_never_in_the_logs_but_a_stale_flag_is_shown",
    "test_08_sync_says_an_integer_and_a_repeat_says_0",
    "test_09_all_pages_of_250_jobs_are_read_and_kept_when_one_fails",
    "test_10_what_was_deleted_stays_deleted",
    "test_11_sync_active_reaches_all_active_jobs_and_is_answered_although_the_provider_hangs",
    "test_12_the_total_is_true_the_order_stable_and_an_unknown_status_400",
    "test_13_running_after_completed_is_ignored",
    "test_14_a_webhook_twice_even_at_once_is_one_change_and_one_event",
    "test_15_the_providers_own_object_is_taken_and_news_before_the_row_is_parked",
    "test_16_only_what_is_signed_now_is_taken_and_a_missing_key_asks_for_another_try",
    "test_17_aborted_is_final_and_an_unknown_word_changes_nothing",
    "test_18_cancelled_stays_cancelled_and_a_race_is_what_the_provider_says",
    "test_19_a_429_pauses_only_that_provider",
    "test_20_failures_open_a_breaker_change_no_status_and_are_told",
    "test_21_a_job_that_is_not_there_three_times_is_lost_and_a_401_touches_nothing",
    "test_22_killed_in_the_middle_of_anything_the_next_start_recovers_and_one_server_polls",
    "test_23_the_rules_of_the_poller_hold_and_final_jobs_are_never_asked_for",
    "test_24_events_have_ids_and_are_replayed_and_a_sixth_or_slow_client_harms_nobody",
    "test_25_odd_clocks_costs_and_logs_are_shown_as_they_are",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_at(tmp_path_factory.mktemp("jobs") / "data") as site:
        yield site


def test_none_of_the_25_is_missing():
    here = [name for name in globals() if name.startswith("test_") and name[5:7].isdigit()]
    assert here == THE_25
    assert len(THE_25) == 25


# -- progress


def test_01_the_example_of_the_documents_says_training_and_30(site: Site):
    id, _ = site.running("Step 1500/5000 - loss: 0.0234\n")
    said = {"job_id": id, "stage": "Training", "last_log": "Step 1500/5000 - loss: 0.0234", "progress": 30.0}
    assert site.progress(id) == said
    assert (site.job(id)["stage"], site.job(id)["progress"]) == ("Training", 30.0)


def test_02_a_job_that_does_not_run_says_nulls_without_a_call_and_an_unknown_one_is_404(site: Site):
    queued = site.submit(inputs={})["job_id"]
    done, name = site.running("step 1/2\n")
    site.fake.set(name, status="succeeded")
    site.refresh()
    before = len(site.fake.matching_requests())
    for id in (queued, done):
        assert site.progress(id) == {"job_id": id, "stage": None, "last_log": None, "progress": None}
    assert len(site.fake.matching_requests()) == before
    problem = site.call("GET", "jobs/nobody/inline-progress", 404)
    assert (problem["error"], problem["status"]) == ("job_not_found", 404)
    assert problem["detail"]


def test_03_the_last_line_has_at_most_80_code_points_and_no_escape_codes(site: Site):
    id, _ = site.running("first\n\x1b[31m" + "𝄞" * 100 + "\x1b[0m\n")
    assert site.progress(id)["last_log"] == "𝄞" * 77 + "..."
    id, _ = site.running("\x1b]0;title\x07\x1b[2K\x1b[1mé" * 3 + "\n")
    assert site.progress(id)["last_log"] == "ééé"


def test_04_steps_beat_epochs_and_the_newest_state_of_a_bar_counts(site: Site):
    id, _ = site.running("step 500/1000\nepoch 9/10\n")
    assert site.progress(id)["progress"] == 50.0
    id, _ = site.running("Epoch 1/100, Steps: 10%|#| 500/5000 [..]\rEpoch 1/100, Steps: 30%|###| 1500/5000 [..]\r")
    assert site.progress(id)["progress"] == 30.0
    id, _ = site.running("epoch 3/10\n")
    assert (site.progress(id)["stage"], site.progress(id)["progress"]) == ("Training", 30.0)


def test_05_false_friends_are_ignored_and_progress_stays_within_0_and_100(site: Site):
    friends = [
        "gradient_checkpointing=True",
        "lr_warmup_steps=50",
        "Downloading",
        "invalidated",
        "step 1500 2024-01-01",
        "step 5/0",
    ]
    id, _ = site.running("Loading weights\n" + "\n".join(friends) + "\n")
    said = site.progress(id)
    assert (said["stage"], said["progress"], said["last_log"]) == ("Preprocessing", None, "step 5/0")
    id, _ = site.running("step 5100/5000\n")
    assert site.progress(id)["progress"] == 100.0
    id, _ = site.running("step 0/5000\n")
    assert site.progress(id)["progress"] == 0.0


def test_06_saving_a_checkpoint_keeps_the_progress(site: Site):
    id, _ = site.running("step 500/1000\nSaving checkpoint\n")
    assert site.progress(id) == {"job_id": id, "stage": "Saving checkpoint", "last_log": "Saving checkpoint", "progress": 50.0}


def test_07_a_providers_error_is_never_in_the_logs_but_a_stale_flag_is_shown(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        id, name = site.running("step 1/4\n")
        site.fake.fail("GET /v1/", 500, body={"detail": "step 3/4 exploded"})
        assert site.progress(id) == {"job_id": id, "stage": "Training", "last_log": "step 1/4", "progress": 25.0}
        assert site.call("GET", f"jobs/{id}/logs") == {"job_id": id, "logs": "step 1/4\n"}
        job = site.job(id)
        assert (job["status"], job["sync_state"], job["error_message"]) == ("running", "stale", None)
        site.fake.heal()
        site.fake.set(name, status="failed", error="CUDA out of memory, step 9/9")
        site.refresh()
        job = site.job(id)
        assert (job["status"], job["error_message"], job["sync_state"]) == ("failed", "CUDA out of memory, step 9/9", "fresh")
        assert "CUDA" not in site.call("GET", f"jobs/{id}/logs")["logs"]


# -- sync


def test_08_sync_says_an_integer_and_a_repeat_says_0(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        names = [site.fake.add(status=status) for status in ("starting", "processing", "succeeded")]
        site.fake.add(kind="trainings", status="canceled")
        first = site.sync()
        assert first == {"synced": 4, "message": "Discovered 4 new jobs from Replicate", "updated": 0, "errors": []}
        assert type(first["synced"]) is int
        found = {job["external_id"]: job["status"] for job in site.jobs()["jobs"]}
        assert [found[name] for name in names] == ["queued", "running", "completed"]
        site.fake.set(names[1], status="succeeded")
        again = site.sync()
        assert (again["synced"], again["updated"]) == (0, 1)
        assert site.sync()["updated"] == 0
        assert site.call("POST", "jobs/sync", json={"provider": "replicate"})["synced"] == 0
        assert site.call("POST", "jobs/sync", 400, json={"other": 1})["error"] == "bad_request"
    with site_at(tmp_path / "other", replicate={"token": None}) as site:
        nothing = site.sync()
        assert (nothing["synced"], nothing["errors"]) == (0, [])


def test_09_all_pages_of_250_jobs_are_read_and_kept_when_one_fails(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        for _ in range(250):
            site.fake.add()
        site.fake.fail("cursor=100")
        report = site.sync()
        assert report["synced"] == 100
        assert len(report["errors"]) == 1
        assert "page 2" in report["errors"][0]
        site.fake.heal()
        report = site.sync()
        assert (report["synced"], report["errors"]) == (150, [])
        assert site.jobs(limit=1)["total"] == 250
        assert site.sync()["synced"] == 0


def test_10_what_was_deleted_stays_deleted(site: Site):
    name = site.fake.add(status="processing")
    site.sync()
    (id,) = [job["job_id"] for job in site.jobs(limit=500)["jobs"] if job["external_id"] == name]
    problem = site.call("DELETE", f"jobs/{id}", 409)
    assert (problem["error"], problem["state"]) == ("job_is_active", "running")
    assert "cancel it first" in problem["detail"]
    site.fake.set(name, status="succeeded")
    site.refresh()
    site.call("DELETE", f"jobs/{id}")
    assert not (site.server.folder / "jobs" / id).exists()
    assert site.sync()["synced"] == 0
    assert site.webhook(site.fake.objects[name]).status_code == 200
    assert site.call("GET", f"jobs/{id}", 404)["error"] == "job_not_found"
    assert name not in {job["external_id"] for job in site.jobs(limit=500)["jobs"]}


def test_11_sync_active_reaches_all_active_jobs_and_is_answered_although_the_provider_hangs(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        site.fake.advance(days=-3)
        old = [site.fake.add(status="processing") for _ in range(6)]
        site.fake.advance(days=3)
        for _ in range(150):
            site.fake.add(status="succeeded")
        site.sync()
        for name in old:
            site.fake.set(name, status="failed", error="too old")
        strange = site.fake.add()
        before = len(site.fake.matching_requests())
        shown = site.refresh()
        assert {job["external_id"]: job["status"] for job in shown["jobs"] if job["external_id"] in old} == dict.fromkeys(
            old, "failed"
        )
        assert all(job["completed_at"] and job["cost_is_final"] for job in shown["jobs"] if job["external_id"] in old)
        assert len(site.fake.matching_requests()) - before <= 9
        assert strange not in {job["external_id"] for job in shown["jobs"]}  # nothing is discovered here
        before = len(site.fake.matching_requests())
        assert site.refresh()["total"] == 156
        assert len(site.fake.matching_requests()) == before  # what is over is not asked for
        id, _ = site.running()
        site.fake.fail("GET /v1/", hang=True)
        began = time.monotonic()
        shown = site.refresh()
        assert time.monotonic() - began < 12
        assert shown["total"] == 157
        (job,) = [job for job in shown["jobs"] if job["job_id"] == id]
        assert (job["status"], job["sync_state"]) == ("running", "stale")


def test_12_the_total_is_true_the_order_stable_and_an_unknown_status_400(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        moment = site.fake.timestamp()
        for n in range(30):
            site.fake.add(status="succeeded" if n % 3 else "processing", created_at=moment)
        site.sync()
        pages = [site.jobs(limit=7, offset=offset) for offset in range(0, 35, 7)]
        assert {page["total"] for page in pages} == {30}
        ids = [job["job_id"] for page in pages for job in page["jobs"]]
        assert ids == sorted(ids, reverse=True)  # created at the same time, so by id
        assert len(set(ids)) == 30
        forwards = [job["job_id"] for job in site.jobs(limit=500, order="created")["jobs"]]
        assert forwards == ids[::-1]
        assert site.jobs(status="active", limit=1)["total"] == 10
        assert site.jobs(status="completed,running")["total"] == 30
        assert site.call("GET", "jobs?status=completed&status=failed")["total"] == 20
        assert site.jobs(job_type="local")["total"] == 0
        assert site.jobs(job_type="cloud", provider="replicate")["total"] == 30
        problem = site.call("GET", "jobs?status=done", 400)
        assert (problem["error"], problem["detail"]) == ("unknown_status", "there is no status done")
        assert "completed" in problem["hint"]
        for wrong in ("limit=0", "limit=501", "offset=-1", "job_type=x", "limit=x"):
            site.call("GET", f"jobs?{wrong}", 400)


# -- states


def test_13_running_after_completed_is_ignored(site: Site):
    id, name = site.running("step 1/2\n")
    late = dict(site.fake.objects[name])
    site.fake.set(name, status="succeeded")
    site.refresh()
    assert site.webhook(late).status_code == 200
    site.fake.set(name, status="processing", completed_at=None)
    site.sync()
    job = site.job(id)
    assert (job["status"], job["raw_status"], job["is_terminal"]) == ("completed", "succeeded", True)


def changes_of(listener: Listener, id: str, until: str) -> list[Message]:
    """What is told of a job up to the moment in which it has this status."""
    found = []
    for message in listener:
        if message.data.get("job_id") == id:
            found.append(message)
            if message.data["status"] == until:
                return found
    return found


def test_14_a_webhook_twice_even_at_once_is_one_change_and_one_event(site: Site):
    id, name = site.running()
    other, other_name = site.running()
    with Listener(site.server) as listener:
        site.fake.set(name, status="succeeded")
        body = json.dumps(site.fake.objects[name]).encode()
        headers = site.fake.sign_webhook(body)
        with ThreadPoolExecutor(8) as pool:
            posts = [
                pool.submit(site.server.client.post, "/api/webhooks/replicate", content=body, headers=headers) for _ in range(16)
            ]
        assert {post.result().status_code for post in posts} == {200}
        assert site.server.client.post("/api/webhooks/replicate", content=body, headers=headers).status_code == 200
        assert site.job(id)["status"] == "completed"
        site.fake.set(other_name, status="succeeded")
        site.webhook(site.fake.objects[other_name])
        told = [message.data["job_id"] for message in until_job(listener, other) if message.data["type"] == "job_status_changed"]
    assert told == [id, other]


def until_job(listener: Listener, id: str) -> list[Message]:
    """What is told of jobs, up to the first word of this one."""
    found = []
    for message in listener:
        if "job_id" in message.data:
            found.append(message)
            if message.data["job_id"] == id:
                break
    return found


def test_15_the_providers_own_object_is_taken_and_news_before_the_row_is_parked(site: Site):
    id, name = site.running()
    site.fake.set(name, status="succeeded", logs="all of it\n", output=["https://example.org/a.png"])
    assert site.webhook(site.fake.objects[name]).json() == {"status": "ok"}
    job = site.job(id)
    assert (job["status"], job["output_url"]) == ("completed", "https://example.org/a.png")
    assert site.call("GET", f"jobs/{id}/logs")["logs"] == "all of it\n"
    stranger = site.fake.add(status="failed", error="early")
    early = dict(site.fake.objects[stranger])
    assert site.webhook(early).status_code == 200
    assert stranger not in {job["external_id"] for job in site.jobs(limit=500)["jobs"]}
    site.fake.objects[stranger] |= {"status": "processing", "error": None, "completed_at": None}  # an older view of it, in the list
    site.sync()
    (job,) = [job for job in site.jobs(limit=500)["jobs"] if job["external_id"] == stranger]
    assert (job["status"], job["error_message"]) == ("failed", "early")


def test_16_only_what_is_signed_now_is_taken_and_a_missing_key_asks_for_another_try(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        id, name = site.running()
        site.fake.set(name, status="succeeded")
        thing = site.fake.objects[name]
        body = json.dumps(thing).encode()
        site.fake.fail("GET /v1/webhooks/default/secret")
        answer = site.webhook(thing)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        site.fake.heal()
        good = site.fake.sign_webhook(body)["webhook-signature"]
        wrong = [
            {"webhook-signature": "v1," + "A" * 43 + "="}, {"webhook-signature": "v1,é".encode()}, {"webhook-signature": "v1,%%"},
            {"webhook-signature": ""}, {"webhook-signature": "v2," + good[3:]}, {"webhook-id": ""}, {"webhook-id": "ü".encode()},
            {"webhook-id": "another"}, {"webhook-timestamp": "soon"}, {"webhook-timestamp": ""}, {"webhook-timestamp": "-5"},
            {"webhook-timestamp": "²".encode()}, {"webhook-timestamp": "9" * 400},
        ]  # fmt: skip
        for headers in wrong:
            refused = site.webhook(thing, **headers)
            assert (refused.status_code, refused.json()["error"]) == (401, "bad_signature"), headers
        for ago in (301, -310):
            headers = site.fake.sign_webhook(body, ago_seconds=ago)
            assert site.server.client.post("/api/webhooks/replicate", content=body, headers=headers).status_code == 401
        assert site.server.client.post("/api/webhooks/replicate", content=body).status_code == 401
        assert site.webhook(body, **{"webhook-signature": good + "x"}).status_code == 401
        assert site.job(id)["status"] == "running"
        assert site.webhook(b"x" * (1024 * 1024 + 1)).status_code == 413
        assert site.webhook(b"[1]").status_code == 400
        headers = site.fake.sign_webhook(body)
        headers["webhook-signature"] = f"v1,{'B' * 43}= {headers['webhook-signature']}"  # the other is of a key to come
        assert site.server.client.post("/api/webhooks/replicate", content=body, headers=headers).status_code == 200
        assert site.job(id)["status"] == "completed"
        id, name = site.running()
        time.sleep(1.1)  # a key is not asked for more often than once a second
        site.fake.rotate()
        site.fake.set(name, status="failed")
        assert site.webhook(site.fake.objects[name]).status_code == 200
        assert site.job(id)["status"] == "failed"
        assert site.server.client.post("/api/webhooks/local", content=b"{}").status_code == 404


def test_17_aborted_is_final_and_an_unknown_word_changes_nothing(site: Site):
    id = site.submit(inputs={})["job_id"]
    site.fake.set(site.job(id)["external_id"], status="aborted")
    site.refresh()
    job = site.job(id)
    assert (job["status"], job["raw_status"], job["is_terminal"]) == ("cancelled", "aborted", True)
    assert "deadline" in job["error_message"]
    id, name = site.running()
    site.fake.set(name, status="hibernating")
    site.refresh()
    job = site.job(id)
    assert (job["status"], job["raw_status"]) == ("running", "hibernating")
    assert site.call("GET", "metrics")["unknown_words"] == {"hibernating": 1}
    site.fake.set(name, status="succeeded")
    site.refresh()
    assert site.job(id)["status"] == "completed"


def test_18_cancelled_stays_cancelled_and_a_race_is_what_the_provider_says(site: Site):
    id, name = site.running()
    late = dict(site.fake.objects[name])
    job = site.call("POST", f"jobs/{id}/cancel")["job"]
    assert (job["status"], job["raw_status"]) == ("cancelled", "canceled")
    for body in (late, late | {"status": "succeeded"}):
        assert site.webhook(body).status_code == 200
    site.sync()
    assert site.job(id)["status"] == "cancelled"
    problem = site.call("POST", f"jobs/{id}/cancel", 409)
    assert (problem["error"], problem["state"]) == ("job_is_final", "cancelled")
    id, name = site.running()
    site.fake.set(name, status="succeeded")  # it was faster
    assert site.call("POST", f"jobs/{id}/cancel")["job"]["status"] == "completed"
    id, name = site.running()
    site.fake.forget(name)
    job = site.call("POST", f"jobs/{id}/cancel")["job"]
    assert (job["status"], job["error_message"]) == ("cancelled", "Replicate has no such job")
    again = site.call("POST", f"jobs/{id}/retry", 202)["job"]
    assert (again["attempt"], again["status"]) == (2, "queued")
    assert again["external_id"] in site.fake.objects


# -- providers in trouble


POLLING = CALM | {"job_status_polling": {"enabled": True, "interval_seconds": 0.2}}


def test_19_a_429_pauses_only_that_provider(tmp_path: Path):
    with site_at(tmp_path / "data", POLLING) as site:
        id, name = site.running()
        site.fake.throttle("GET", seconds=2)
        eventually(lambda: replicate_of(site)["paused_seconds"] > 0)
        before = len(site.fake.matching_requests())
        local = site.submit("local", command=["sh", "-c", "echo step 1/1; exit 3"])
        assert site.until(local["job_id"], "failed")["raw_status"] == "exit code 3"
        assert len(site.fake.matching_requests()) == before
        assert (site.job(id)["status"], replicate_of(site)["degraded"]) == ("running", False)
        waiting = site.submit(inputs={})
        assert waiting["status"] == "pending"
        site.fake.heal()
        site.fake.set(name, status="succeeded")
        site.until(id, "completed")
        site.until(waiting["job_id"], "queued")
        site.fake.throttle("GET")
        eventually(lambda: 25 < replicate_of(site)["paused_seconds"] <= 30)


def replicate_of(site: Site) -> dict:
    """How the provider is."""
    (found,) = [one for one in site.call("GET", "providers")["providers"] if one["name"] == "replicate"]
    return found


def test_20_failures_open_a_breaker_change_no_status_and_are_told(tmp_path: Path):
    with site_at(tmp_path / "data", POLLING) as site, Listener(site.server) as listener:
        id, _ = site.running()
        site.fake.fail("GET", 500)
        eventually(lambda: replicate_of(site)["degraded"])
        before = len(site.fake.matching_requests())
        time.sleep(1)
        assert len(site.fake.matching_requests()) == before
        job = site.job(id)
        assert (job["status"], job["sync_state"]) == ("running", "unreachable")
        assert site.call("GET", "providers/replicate/validate")["valid"] is False
        site.fake.heal()
        assert site.call("GET", "providers/replicate/validate") == {
            "valid": True, "user_info": {"username": "acme", "name": "Acme", "type": "organization"}, "error": None,
        }  # fmt: skip
        told = []
        for message in listener:
            told += [message.data["type"]] if message.data["type"].startswith("provider_") else []
            if "provider_restored" in told:
                break
        assert told == ["provider_degraded", "provider_restored"]
        eventually(lambda: site.job(id)["sync_state"] == "fresh")


def test_21_a_job_that_is_not_there_three_times_is_lost_and_a_401_touches_nothing(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        id, name = site.running()
        kept, _ = site.running()
        site.fake.token = "another"
        for _ in range(4):
            site.refresh()
        assert {site.job(one)["status"] for one in (id, kept)} == {"running"}
        assert site.job(id)["sync_state"] == "stale"
        assert site.call("GET", "providers/replicate/validate")["valid"] is False
        site.fake.token = "r8_fake"
        site.fake.forget(name)
        before = len(site.fake.matching_requests(name))
        site.refresh()
        assert site.job(id)["status"] == "running"
        site.refresh()
        job = site.job(id)
        assert (job["status"], job["raw_status"], job["error_message"]) == ("failed", "lost_at_provider", "lost_at_provider")
        assert len(site.fake.matching_requests(name)) - before == 3
        assert site.job(kept)["status"] == "running"


# -- crashes


def holder_of(folder: Path) -> int:
    """The process that has the lease; 0 if none has."""
    with (folder / "jobs.lock").open("r+b") as file:
        wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, wanted))
    return 0 if kind == fcntl.F_UNLCK else pid


def kill_in_the_middle(site: Site, cancelled: str) -> None:
    """SIGKILL the server while it polls, uploads, has submitted without an answer yet, and cancels."""
    big = "data:text/plain;base64," + "QUFB" * 100_000
    patterns = ("GET /v1/predictions", "POST /v1/files", "POST .*/cancel", "POST /v1/predictions$")
    for pattern in patterns:
        site.fake.fail(pattern, hang=True, drop=pattern.endswith("$"))
    submit = "/api/cloud/jobs/submit?provider=replicate"
    with site.server.connected(None) as client, ThreadPoolExecutor(3) as pool:
        pool.submit(client.post, submit, json={"inputs": {"unique": 1}})
        pool.submit(client.post, submit, json={"inputs": {"file": big}})
        pool.submit(client.post, f"/api/cloud/jobs/{cancelled}/cancel")
        eventually(lambda: all(site.fake.matching_requests(pattern) for pattern in patterns))
        eventually(lambda: any(thing["input"] == {"unique": 1} for thing in site.fake.objects.values()))
        site.server.end(signal.SIGKILL)


def test_22_killed_in_the_middle_of_anything_the_next_start_recovers_and_one_server_polls(tmp_path: Path):
    folder = tmp_path / "data"
    with site_at(folder, POLLING) as site, ExitStack() as servers:
        polled, name = site.running()
        cancelled, cancelled_name = site.running()
        local = site.submit("local", command=["sh", "-c", "sleep 2; echo done"])["job_id"]
        site.until(local, "running")
        kill_in_the_middle(site, cancelled)
        site.fake.heal()
        site.server = servers.enter_context(Ending(Server(folder)))
        site.fake.set(name, status="succeeded")
        site.until(polled, "completed")
        site.until(cancelled, "cancelled")
        assert site.fake.objects[cancelled_name]["status"] == "canceled"
        (bound,) = [name for name, thing in site.fake.objects.items() if thing["input"] == {"unique": 1}]
        eventually(lambda: bound in {job["external_id"] for job in site.jobs()["jobs"]})
        (uploading,) = [job for job in site.jobs()["jobs"] if "upload was interrupted" in (job["error_message"] or "")]
        assert uploading["status"] == "failed"
        assert len(site.fake.objects) == 3  # nothing was submitted twice
        site.until(local, "completed")
        assert site.call("GET", f"jobs/{local}/logs")["logs"] == "done\n"
        second = servers.enter_context(Ending(Server(folder)))
        leader = holder_of(folder)
        assert leader == site.server.process.pid
        running, name = site.running()
        site.server.end(signal.SIGKILL)
        eventually(lambda: holder_of(folder) == second.process.pid)
        site.server = second
        site.fake.set(name, status="succeeded")
        site.until(running, "completed")


class Ending:
    """A server, ended with the block."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def __enter__(self) -> Server:
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.end()


def test_23_the_rules_of_the_poller_hold_and_final_jobs_are_never_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hook = {"webhook_url": "http://127.0.0.1:9/api/webhooks/replicate"}
    rules = [
        ({}, {}, {}, "every 30 s"), ({"enabled": False}, {}, {}, "off"),
        ({"enabled": True, "interval_seconds": 7}, {}, hook, "every 7 s"),
        ({}, {}, hook, "every 300 s"), ({"reconcile_seconds": 0}, {}, hook, "off"),
        ({}, {"TASUKI_JOB_POLL_INTERVAL": "60"}, {}, "every 60 s"), ({}, {"SIMPLETUNER_JOB_POLL_INTERVAL": "45"}, {}, "every 45 s"),
        ({"enabled": False}, {"TASUKI_JOB_POLL_INTERVAL": "60"}, {}, "off"),
    ]  # fmt: skip
    for n, (polling, variables, replicate, line) in enumerate(rules):
        with monkeypatch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, value)
            with site_at(tmp_path / str(n), {"job_status_polling": polling}, replicate=replicate) as site:
                eventually(lambda site=site: len(site.server.said) > 1)
                assert f"job status polling: {line}\n" in site.server.said[1]
                assert "INFO" in site.server.said[1]
    with site_at(tmp_path / "polled", POLLING) as site:
        id, name = site.running()
        site.fake.set(name, status="succeeded", webhook=False)
        site.until(id, "completed")
        before = len(site.fake.matching_requests())
        time.sleep(1)
        assert len(site.fake.matching_requests()) == before


# -- events


def test_24_events_have_ids_and_are_replayed_and_a_sixth_or_slow_client_harms_nobody(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        with Listener(site.server) as listener:
            assert listener.take(1)[0].name == "connection"
            id, name = site.running()
            queued, running = [
                message for message in changes_of(listener, id, "running") if message.data["type"] == "job_status_changed"
            ][-2:]
        assert (running.name, running.data["status"], running.data["previous_status"]) == (None, "running", "queued")
        assert number(running) > number(queued)
        site.fake.set(name, status="succeeded")
        site.refresh()
        with Listener(site.server, running.id) as listener:
            hello, missed = listener.take(2)
            assert hello.id == running.id
            assert (missed.data["type"], missed.data["job_id"], missed.data["status"]) == ("job_status_changed", id, "completed")
            assert number(missed) == number(running) + 1
        eventually(lambda: room_for(site))
        five = [Listener(site.server) for _ in range(5)]
        with Listener(site.server) as sixth:
            assert sixth.answer.status == 429
            assert int(sixth.answer.headers["Retry-After"]) > 0
            assert json.loads(sixth.answer.read())["error"] == "too-many-connections"
        five.pop().__exit__()
        eventually(lambda: room_for(site))
        for listener in five:
            listener.__exit__()
        a_slow_client_is_told_to_begin_anew_and_delays_nobody(site)


def a_slow_client_is_told_to_begin_anew_and_delays_nobody(site: Site) -> None:
    for n in range(500):
        site.fake.add(id=f"{n:04000}")
    with socket.socket() as slow, Listener(site.server) as listener:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", site.server.port))
        slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.recv(100)
        counted: list[int] = []
        reader = threading.Thread(target=lambda: counted.append(len(listener.take(1 + 500 * 4))))
        reader.start()
        for status in ("starting", "processing", "hibernating", "succeeded"):
            for name in list(site.fake.objects)[1:]:
                site.fake.set(name, status=status)
            site.sync()
        reader.join(20)
        assert counted == [2001]  # everything reaches the one who reads
        slow.settimeout(5)
        said = b""
        while b"event: reset" not in said:
            part = slow.recv(1_000_000)
            assert part
            said = said[-100:] + part


def room_for(site: Site) -> bool:
    """Whether another client is let in."""
    with Listener(site.server) as listener:
        return listener.answer.status == 200


def number(message: Message) -> int:
    return int(message.id.split("-")[1])


# -- oddities


def test_25_odd_clocks_costs_and_logs_are_shown_as_they_are(site: Site):
    site.fake.advance(hours=-5)
    id, name = site.running()
    site.fake.advance(hours=-1)  # its clock goes back
    site.fake.set(name, status="succeeded", metrics={})
    site.refresh()
    job = site.job(id)
    assert (job["status"], job["duration_seconds"], job["cost_is_final"], job["cost_usd"]) == ("completed", 0, False, None)
    site.fake.advance(hours=6)
    id, name = site.running()
    site.fake.set(name, status="succeeded", metrics={"predict_time": 1000})
    site.refresh()
    assert (site.job(id)["cost_usd"], site.job(id)["cost_is_final"]) == (0.225, True)
    assert site.webhook(site.fake.objects[name] | {"metrics": {"predict_time": None}}).status_code == 200
    assert site.job(id)["cost_usd"] == 0.225
    # logs
    split = "printf 'caf\\303'; sleep 0.7; printf '\\251\\n'; for n in $(seq 1 300); do echo line $n; done; printf 'no end'"
    local = site.submit("local", command=split)["job_id"]
    lines, endings = streamed(site, local)
    assert lines == ["café", *(f"line {n}" for n in range(1, 301)), "no end"]
    assert endings == [{"status": "completed"}]
    assert streamed(site, local) == (lines, endings)  # also when it is over
    id, name = site.running("step 1/2\n")
    site.fake.set(name, status="succeeded", logs="step 1/2\nstep 2/2\n")
    site.refresh()
    site.fake.advance(hours=2)
    assert site.fake.render(site.fake.objects[name])["logs"] == ""
    site.sync()
    assert site.call("GET", f"jobs/{id}/logs")["logs"] == "step 1/2\nstep 2/2\n"
    assert streamed(site, id) == (["step 1/2", "step 2/2"], [{"status": "completed"}])
    site.fake.advance(hours=-2)


def streamed(site: Site, id: str) -> tuple[list[str], list[dict]]:
    """The lines of a job's stream, and what was said of its end."""
    with site.server.client.stream("GET", f"/api/cloud/jobs/{id}/logs/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        messages = "".join(answer.iter_text()).split("\n\n")
    lines, endings = [], []
    for message in messages:
        fields = dict(line.partition(": ")[::2] for line in message.split("\n") if not line.startswith(":"))
        if "event" in fields:
            endings.append(json.loads(fields["data"]))
        elif "data" in fields:
            lines.append(fields["data"])
    return lines, endings


def test_a_process_that_survives_its_server_is_found_again_by_another(tmp_path: Path):
    with site_at(tmp_path / "data") as site:
        stop = tmp_path / "stop"
        id = site.submit("local", command=f"while [ ! -e {stop} ]; do sleep 0.05; done; exit 4")["job_id"]
        site.until(id, "running")
        site.server.end(signal.SIGKILL)
        stop.touch()
        site.server = Server(tmp_path / "data", free_port())
        assert site.until(id, "failed")["error_message"] == "exit code 4"


def test_no_more_jobs_run_here_than_may_and_the_others_wait_for_their_turn(tmp_path: Path):
    with site_at(tmp_path / "data", local={"max_running": 1}) as site:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        first = site.submit("local", command=["cat", str(gate)])["job_id"]
        second = site.submit("local", command=["echo", "second"])["job_id"]
        site.until(first, "running")
        time.sleep(0.7)
        assert (site.job(second)["status"], site.job(second)["raw_status"]) == ("queued", "waiting for its turn")
        gate.write_text("go\n")
        site.until(first, "completed")
        site.until(second, "completed")
