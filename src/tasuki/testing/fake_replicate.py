"""Fake of Replicate's API over real HTTP, written from its documentation (https://replicate.com/docs).

Lists have 100 objects a page, the newest first, and name the next page. An hour after a prediction is over its input, output and
logs are gone. Webhooks are signed as Standard Webhooks has it and sent again when they are not taken. `python -m
tasuki.testing.fake_replicate --play` serves one whose jobs make progress by themselves, which `tasuki serve --demo-jobs` uses.
"""

import argparse
import base64
import json
import os
import random
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tasuki.clock import SYSTEM_CLOCK, datetime_from_us
from tasuki.jobs import compute_signature

__all__ = ["FAKE_TOKEN", "FakeReplicate", "ReplicateFault"]

FAKE_TOKEN = "r8_fake"
PAGE_SIZE = 100
RETENTION = timedelta(hours=1)
FINAL_STATUSES = ("succeeded", "failed", "canceled", "aborted")
THROTTLED_BODY = {"detail": "Request was throttled. Your rate limit resets in ~30s.", "status": 429, "title": "Too many requests"}
RETRY_SECONDS = (0.2, 0.4, 0.8)
ApiObject = dict[str, Any]


class ReplicateFault(NamedTuple):
    """Fault of requests whose `METHOD /path?query` matches.

    `hang`: no answer; `drop`: done, but no answer.
    """

    pattern: str
    status: int = 500
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}
    hang: bool = False
    drop: bool = False


class FakeReplicate:
    """One account. A `with` block serves it; what is in it is changed by its methods, or by requests."""

    def __init__(self, *, port: int = 0, token: str = FAKE_TOKEN, latency_seconds: float = 0.0) -> None:
        self.token = token
        self.latency_seconds = latency_seconds
        self.lock = threading.RLock()
        self.objects: dict[str, ApiObject] = {}
        self.order: list[str] = []
        self.faults: list[ReplicateFault] = []
        self.requests: list[str] = []
        self.files: dict[str, bytes] = {}
        self.clock_offset = timedelta()
        self.secret = secrets.token_bytes(24)
        self.webhook_attempts: list[tuple[str, int]] = []
        """Webhooks by id, and the status that each try was answered with; 0 for none."""
        self.stop_event = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), make_handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "FakeReplicate":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_event.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    # -- what a test does

    def add(self, *, kind: str = "predictions", status: str = "starting", **fields: Any) -> str:
        """One more job, as if submitted elsewhere; its id."""
        with self.lock:
            id = fields.get("id") or secrets.token_hex(13)
            now = self.timestamp()
            self.objects[id] = {
                "id": id, "model": "acme/model", "version": "v1", "input": {}, "logs": "", "output": None, "error": None,
                "status": "starting", "created_at": now, "started_at": None, "completed_at": None, "data_removed": False,
                "metrics": {}, "source": "api", "webhook": None, "webhook_events_filter": None,
                "urls": {"get": f"{self.url}/v1/{kind}/{id}", "cancel": f"{self.url}/v1/{kind}/{id}/cancel"},
            } | fields  # fmt: skip
            self.order.append(id)
        if status != "starting":
            self.set(id, status=status)
        return id

    def set(self, id: str, *, webhook: bool = True, **fields: Any) -> None:
        """Change a job: what a status entails happens too, and webhooks are sent."""
        with self.lock:
            thing = self.objects[id]
            before = thing["status"]
            status = fields.get("status", before)
            if status == "processing" and thing["started_at"] is None:
                thing["started_at"] = self.timestamp()
            if status in FINAL_STATUSES and thing["completed_at"] is None:
                thing["completed_at"] = self.timestamp()
                if thing["started_at"] and "metrics" not in fields:
                    started = datetime.fromisoformat(thing["started_at"])
                    thing["metrics"] = {"predict_time": (self.now() - started).total_seconds()}
            thing |= fields
        if webhook:
            events = ["logs"] if "logs" in fields else []
            events += ["start"] if status == "starting" and before != status else []
            events += ["completed"] if status in FINAL_STATUSES and before not in FINAL_STATUSES else []
            for event in events:
                self.send_webhook(id, event)

    def log(self, id: str, text: str) -> None:
        """A job writes something."""
        with self.lock:
            logs = self.objects[id]["logs"] + text
        self.set(id, logs=logs)

    def forget(self, id: str) -> None:
        """Forget a job, as if it had never existed."""
        with self.lock:
            del self.objects[id]
            self.order.remove(id)

    def advance(self, **amount: float) -> None:
        """Set the clock ahead."""
        self.clock_offset += timedelta(**amount)

    def fail(self, pattern: str, status: int = 500, **options: Any) -> ReplicateFault:
        """From now on, until `heal`, something goes wrong with some requests."""
        fault = ReplicateFault(pattern, status, **options)
        self.faults.append(fault)
        return fault

    def throttle(self, pattern: str = "", seconds: float | None = None) -> ReplicateFault:
        """Refuse matching requests as too many until `heal`: with Retry-After, or as the documentation shows."""
        return self.fail(pattern, 429, body=THROTTLED_BODY, headers={} if seconds is None else {"Retry-After": f"{seconds:g}"})

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.faults.clear()

    def rotate(self) -> None:
        """Webhooks are signed with another key from now on."""
        self.secret = secrets.token_bytes(24)

    def matching_requests(self, pattern: str = "") -> list[str]:
        """The requests so far that match."""
        with self.lock:
            return [request for request in self.requests if re.search(pattern, request)]

    # -- webhooks

    def sign_webhook(self, body: bytes, *, webhook_id: str | None = None, ago_seconds: float = 0) -> dict[str, str]:
        """The headers of a webhook, sent now, or a while ago."""
        message, timestamp = webhook_id or f"msg_{secrets.token_hex(8)}", str(int(SYSTEM_CLOCK.now_us() / 1_000_000 - ago_seconds))
        return {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": timestamp,
            "webhook-signature": compute_signature(self.secret, message, timestamp, body),
        }

    def send_webhook(self, id: str, event: str) -> None:
        """Send news of a job in a thread of its own, if they are wanted; again when they are not taken."""
        with self.lock:
            thing = self.objects[id]
            wanted = thing["webhook_events_filter"] or ["start", "output", "logs", "completed"]
            if not thing["webhook"] or event not in wanted:
                return
            body = json.dumps(self.render(thing)).encode()
            headers = self.sign_webhook(body)
        threading.Thread(target=self.deliver, args=(thing["webhook"], headers, body), daemon=True).start()

    def deliver(self, url: str, headers: dict[str, str], body: bytes) -> None:
        """Try until it is taken, a few times."""
        for pause in (*RETRY_SECONDS, 0.0):
            status = post_webhook(url, headers, body)
            self.webhook_attempts.append((headers["webhook-id"], status))
            if 200 <= status < 300 or (400 <= status < 500 and status != 429) or self.stop_event.wait(pause):
                return

    # -- what a request gets

    def now(self) -> datetime:
        """Return the fake's time."""
        return datetime_from_us(SYSTEM_CLOCK.now_us()) + self.clock_offset

    def timestamp(self) -> str:
        """The same as the API writes it."""
        return self.now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def render(self, api_object: ApiObject) -> ApiObject:
        """An object as it is answered: an hour after its end, without what it was about."""
        found = {key: value for key, value in api_object.items() if not key.startswith("webhook") and key != "fixed"}
        ended = api_object["completed_at"]
        if ended and self.now() - datetime.fromisoformat(ended) > RETENTION:
            found |= {"input": {}, "output": None, "logs": "", "data_removed": True}
        return found

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """Status and JSON of one request."""
        for pattern, action in self.routes.items():
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                with self.lock:
                    return action(found.groupdict(), query, body)
        return 404, {"detail": "Not found.", "status": 404}

    @property
    def routes(self) -> dict[str, Callable[[Mapping[str, str], Mapping[str, list[str]], bytes], tuple[int, Any]]]:
        """Return the handler of each route."""
        return {
            r"GET /v1/account": lambda *_: (200, {"type": "organization", "username": "acme", "name": "Acme"}),
            r"GET /v1/webhooks/default/secret": lambda *_: (200, {"key": f"whsec_{base64.b64encode(self.secret).decode()}"}),
            r"GET /v1/(?P<kind>predictions|trainings)": self.list_objects,
            r"GET /v1/(?P<kind>predictions|trainings)/(?P<id>\w+)": self.get_object,
            r"POST /v1/(?P<kind>predictions|trainings)/(?P<id>\w+)/cancel": self.cancel,
            r"POST /v1/predictions": self.create,
            r"POST /v1/models/(?P<model>[^/]+/[^/]+)/versions/(?P<version>[^/]+)/trainings": self.create,
            r"POST /v1/files": self.upload,
        }

    def list_objects(self, path_parameters: Mapping[str, str], query: Mapping[str, list[str]], _: bytes) -> tuple[int, Any]:
        """Some of all, the newest first."""
        kind = path_parameters["kind"]
        found = [self.objects[id] for id in reversed(self.order) if f"/{kind}/" in self.objects[id]["urls"]["get"]]
        found.sort(key=lambda thing: thing["created_at"], reverse=True)
        start = int(query.get("cursor", ["0"])[0])
        following = f"{self.url}/v1/{kind}?cursor={start + PAGE_SIZE}" if start + PAGE_SIZE < len(found) else None
        before = f"{self.url}/v1/{kind}?cursor={max(0, start - PAGE_SIZE)}" if start else None
        return 200, {
            "previous": before,
            "next": following,
            "results": [self.render(one) for one in found[start : start + PAGE_SIZE]],
        }

    def get_object(self, path_parameters: Mapping[str, str], _: Mapping[str, list[str]], __: bytes) -> tuple[int, Any]:
        """One object."""
        thing = self.objects.get(path_parameters["id"])
        return (
            (200, self.render(thing)) if thing else (404, {"detail": "The requested resource could not be found.", "status": 404})
        )

    def cancel(self, path_parameters: Mapping[str, str], _: Mapping[str, list[str]], __: bytes) -> tuple[int, Any]:
        """End it, unless it is over."""
        thing = self.objects.get(path_parameters["id"])
        if thing is None:
            return 404, {"detail": "The requested resource could not be found.", "status": 404}
        if thing["status"] not in FINAL_STATUSES:
            self.set(path_parameters["id"], status="canceled")
        return 200, self.render(thing)

    def create(self, path_parameters: Mapping[str, str], _: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """A prediction, or a training."""
        wanted = json.loads(body)
        version = path_parameters.get("version") or wanted.get("version")
        if not isinstance(wanted.get("input"), dict) or not version:
            return 422, {"detail": "- version is required\n- input is required", "status": 422, "title": "Input validation failed"}
        more = {"model": path_parameters["model"]} if "model" in path_parameters else {}
        id = self.add(
            kind="trainings" if "model" in path_parameters else "predictions", version=version, input=wanted["input"],
            webhook=wanted.get("webhook"), webhook_events_filter=wanted.get("webhook_events_filter"), **more,
        )  # fmt: skip
        self.send_webhook(id, "start")
        return 201, self.render(self.objects[id])

    def upload(self, _: Mapping[str, str], __: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """A file."""
        id = secrets.token_hex(8)
        self.files[id] = body
        return 201, {"id": id, "size": len(body), "urls": {"get": f"{self.url}/v1/files/{id}"}}

    # -- playing

    def play(self) -> None:
        """Let all jobs make progress by themselves, until closed: what a demonstration needs."""
        while not self.stop_event.wait(1.0):
            with self.lock:
                ids = [id for id, thing in self.objects.items() if thing["status"] not in FINAL_STATUSES]
            for id in ids:
                self.play_job(id)

    def play_job(self, id: str) -> None:
        """A step of one job."""
        with self.lock:
            thing = self.objects[id]
            step, total = thing.setdefault("fixed", [0, random.choice((60, 120, 300))])
            status = thing["status"]
            thing["fixed"][0] = step = step + 1
        if status == "starting":
            self.set(id, status="processing", logs="Loading weights\n") if step > 3 else None
        elif step > total:
            self.set(id, status="failed", error="CUDA out of memory") if total == 300 else self.set(id, status="succeeded")
        else:
            self.log(
                id,
                f"Epoch {1 + 10 * (step - 1) // total}/10, Steps: {100 * step // total}%|##| {step}/{total}"
                f" loss={2 / (1 + step):.4f}\n",
            )


class RequestHandler(BaseHTTPRequestHandler):
    """Answers requests."""

    fake: FakeReplicate
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_request(self) -> None:
        """One request, which may go wrong on purpose."""
        fake = self.fake
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path}"
        with fake.lock:
            fake.requests.append(request)
        fake.stop_event.wait(fake.latency_seconds)
        fault = next((fault for fault in fake.faults if re.search(fault.pattern, request)), None)
        if fault is None:
            self.reply(*self.answer(parts.path, parse_qs(parts.query), body))
            return
        if fault.drop:
            self.answer(parts.path, parse_qs(parts.query), body)
        while fault.hang and fault in fake.faults and not fake.stop_event.wait(0.05):
            pass
        if fault.drop or fault.hang:
            self.close_connection = True
        else:
            self.reply(fault.status, fault.body or {"detail": "Internal error", "status": fault.status}, fault.headers)

    do_GET = do_POST = handle_request

    def answer(self, path: str, query: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """Answer a request of the account's owner."""
        if self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            return 401, {"title": "Unauthenticated", "detail": "You did not pass a valid authentication token", "status": 401}
        return self.fake.answer(self.command, path, query, body)

    def reply(self, status: int, content: Any, headers: Mapping[str, str] = {}) -> None:
        """Send it."""
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        with suppress(OSError):
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


def make_handler(fake: FakeReplicate) -> type[RequestHandler]:
    """Build the request handler of an account."""
    return type("HandlerOfOne", (RequestHandler,), {"fake": fake})


def post_webhook(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """The status that a message is answered with; 0 for no answer."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
    try:
        connection.request("POST", parts.path or "/", body, dict(headers))
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def main() -> None:
    """Serve one until the parent ends."""
    parser = argparse.ArgumentParser(description="A fake of Replicate's API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--play", action="store_true", help="jobs make progress by themselves")
    parser.add_argument("--jobs", type=int, default=0, help="how many there are at the start")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    chosen = parser.parse_args()
    with FakeReplicate(port=chosen.port, latency_seconds=chosen.latency) as fake:
        for _ in range(chosen.jobs):
            fake.add()
        sys.stdout.write(f"{fake.url}\n")
        sys.stdout.flush()
        if chosen.play:
            threading.Thread(target=fake.play, daemon=True).start()
        sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
