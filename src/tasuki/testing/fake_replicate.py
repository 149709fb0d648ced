"""A fake of Replicate's HTTP API, over real HTTP: written from what its documentation says (https://replicate.com/docs).

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

from tasuki.clock import SYSTEM, datetime_from_us
from tasuki.jobs import signature

__all__ = ["FAKE_TOKEN", "FakeReplicate", "ReplicateFault"]

FAKE_TOKEN = "r8_fake"
PAGE = 100
RETENTION = timedelta(hours=1)
FINAL = ("succeeded", "failed", "canceled", "aborted")
THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s.", "status": 429, "title": "Too many requests"}
SEND_AGAIN_SECONDS = (0.2, 0.4, 0.8)
Thing = dict[str, Any]


class ReplicateFault(NamedTuple):
    """What goes wrong with requests whose `METHOD /path?query` matches. `hang`: no answer; `drop`: done, but no answer."""

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
        self.things: dict[str, Thing] = {}
        self.order: list[str] = []
        self.faults: list[ReplicateFault] = []
        self.requests: list[str] = []
        self.files: dict[str, bytes] = {}
        self.ahead = timedelta()
        self.secret = secrets.token_bytes(24)
        self.sent: list[tuple[str, int]] = []
        """Webhooks by id, and the status that each try was answered with; 0 for none."""
        self.closing = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler_of(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "FakeReplicate":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    # -- what a test does

    def add(self, *, kind: str = "predictions", status: str = "starting", **fields: Any) -> str:
        """One more job, as if submitted elsewhere; its id."""
        with self.lock:
            id = fields.get("id") or secrets.token_hex(13)
            now = self.stamp()
            self.things[id] = {
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
            thing = self.things[id]
            before = thing["status"]
            status = fields.get("status", before)
            if status == "processing" and thing["started_at"] is None:
                thing["started_at"] = self.stamp()
            if status in FINAL and thing["completed_at"] is None:
                thing["completed_at"] = self.stamp()
                if thing["started_at"] and "metrics" not in fields:
                    started = datetime.fromisoformat(thing["started_at"])
                    thing["metrics"] = {"predict_time": (self.now() - started).total_seconds()}
            thing |= fields
        if webhook:
            events = ["logs"] if "logs" in fields else []
            events += ["start"] if status == "starting" and before != status else []
            events += ["completed"] if status in FINAL and before not in FINAL else []
            for event in events:
                self.send(id, event)

    def log(self, id: str, text: str) -> None:
        """A job writes something."""
        with self.lock:
            logs = self.things[id]["logs"] + text
        self.set(id, logs=logs)

    def forget(self, id: str) -> None:
        """It is as if the job had never been."""
        with self.lock:
            del self.things[id]
            self.order.remove(id)

    def advance(self, **amount: float) -> None:
        """Set the clock ahead."""
        self.ahead += timedelta(**amount)

    def fail(self, pattern: str, status: int = 500, **how: Any) -> ReplicateFault:
        """From now on, until `heal`, something goes wrong with some requests."""
        fault = ReplicateFault(pattern, status, **how)
        self.faults.append(fault)
        return fault

    def throttle(self, pattern: str = "", seconds: float | None = None) -> ReplicateFault:
        """From now on, until `heal`, requests are refused as too many: with Retry-After, or as the documentation has it."""
        return self.fail(pattern, 429, body=THROTTLED, headers={} if seconds is None else {"Retry-After": f"{seconds:g}"})

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self.faults.clear()

    def rotate(self) -> None:
        """Webhooks are signed with another key from now on."""
        self.secret = secrets.token_bytes(24)

    def asked(self, pattern: str = "") -> list[str]:
        """The requests so far that match."""
        with self.lock:
            return [request for request in self.requests if re.search(pattern, request)]

    # -- webhooks

    def signed(self, body: bytes, *, webhook_id: str | None = None, ago_seconds: float = 0) -> dict[str, str]:
        """The headers of a webhook, sent now, or a while ago."""
        message, timestamp = webhook_id or f"msg_{secrets.token_hex(8)}", str(int(SYSTEM.now_us() / 1_000_000 - ago_seconds))
        return {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self.secret, message, timestamp, body),
        }

    def send(self, id: str, event: str) -> None:
        """Send news of a job in a thread of its own, if they are wanted; again when they are not taken."""
        with self.lock:
            thing = self.things[id]
            wanted = thing["webhook_events_filter"] or ["start", "output", "logs", "completed"]
            if not thing["webhook"] or event not in wanted:
                return
            body = json.dumps(self.shown(thing)).encode()
            headers = self.signed(body)
        threading.Thread(target=self.deliver, args=(thing["webhook"], headers, body), daemon=True).start()

    def deliver(self, url: str, headers: dict[str, str], body: bytes) -> None:
        """Try until it is taken, a few times."""
        for pause in (*SEND_AGAIN_SECONDS, 0.0):
            status = post(url, headers, body)
            self.sent.append((headers["webhook-id"], status))
            if 200 <= status < 300 or (400 <= status < 500 and status != 429) or self.closing.wait(pause):
                return

    # -- what a request gets

    def now(self) -> datetime:
        """What its clock says."""
        return datetime_from_us(SYSTEM.now_us()) + self.ahead

    def stamp(self) -> str:
        """The same as the API writes it."""
        return self.now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def shown(self, thing: Thing) -> Thing:
        """An object as it is answered: an hour after its end, without what it was about."""
        found = {key: value for key, value in thing.items() if not key.startswith("webhook") and key != "fixed"}
        ended = thing["completed_at"]
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
        """What is answered by what."""
        return {
            r"GET /v1/account": lambda *_: (200, {"type": "organization", "username": "acme", "name": "Acme"}),
            r"GET /v1/webhooks/default/secret": lambda *_: (200, {"key": f"whsec_{base64.b64encode(self.secret).decode()}"}),
            r"GET /v1/(?P<kind>predictions|trainings)": self.page,
            r"GET /v1/(?P<kind>predictions|trainings)/(?P<id>\w+)": self.one,
            r"POST /v1/(?P<kind>predictions|trainings)/(?P<id>\w+)/cancel": self.cancel,
            r"POST /v1/predictions": self.create,
            r"POST /v1/models/(?P<model>[^/]+/[^/]+)/versions/(?P<version>[^/]+)/trainings": self.create,
            r"POST /v1/files": self.upload,
        }

    def page(self, words: Mapping[str, str], query: Mapping[str, list[str]], _: bytes) -> tuple[int, Any]:
        """Some of all, the newest first."""
        kind = words["kind"]
        found = [self.things[id] for id in reversed(self.order) if f"/{kind}/" in self.things[id]["urls"]["get"]]
        found.sort(key=lambda thing: thing["created_at"], reverse=True)
        start = int(query.get("cursor", ["0"])[0])
        following = f"{self.url}/v1/{kind}?cursor={start + PAGE}" if start + PAGE < len(found) else None
        before = f"{self.url}/v1/{kind}?cursor={max(0, start - PAGE)}" if start else None
        return 200, {"previous": before, "next": following, "results": [self.shown(one) for one in found[start : start + PAGE]]}

    def one(self, words: Mapping[str, str], _: Mapping[str, list[str]], __: bytes) -> tuple[int, Any]:
        """One object."""
        thing = self.things.get(words["id"])
        return (200, self.shown(thing)) if thing else (404, {"detail": "The requested resource could not be found.", "status": 404})

    def cancel(self, words: Mapping[str, str], _: Mapping[str, list[str]], __: bytes) -> tuple[int, Any]:
        """End it, unless it is over."""
        thing = self.things.get(words["id"])
        if thing is None:
            return 404, {"detail": "The requested resource could not be found.", "status": 404}
        if thing["status"] not in FINAL:
            self.set(words["id"], status="canceled")
        return 200, self.shown(thing)

    def create(self, words: Mapping[str, str], _: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """A prediction, or a training."""
        wanted = json.loads(body)
        version = words.get("version") or wanted.get("version")
        if not isinstance(wanted.get("input"), dict) or not version:
            return 422, {"detail": "- version is required\n- input is required", "status": 422, "title": "Input validation failed"}
        more = {"model": words["model"]} if "model" in words else {}
        id = self.add(
            kind="trainings" if "model" in words else "predictions", version=version, input=wanted["input"],
            webhook=wanted.get("webhook"), webhook_events_filter=wanted.get("webhook_events_filter"), **more,
        )  # fmt: skip
        self.send(id, "start")
        return 201, self.shown(self.things[id])

    def upload(self, _: Mapping[str, str], __: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """A file."""
        id = secrets.token_hex(8)
        self.files[id] = body
        return 201, {"id": id, "size": len(body), "urls": {"get": f"{self.url}/v1/files/{id}"}}

    # -- playing

    def play(self) -> None:
        """Let all jobs make progress by themselves, until closed: what a demonstration needs."""
        while not self.closing.wait(1.0):
            with self.lock:
                ids = [id for id, thing in self.things.items() if thing["status"] not in FINAL]
            for id in ids:
                self.play_one(id)

    def play_one(self, id: str) -> None:
        """A step of one job."""
        with self.lock:
            thing = self.things[id]
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

    def handle_one(self) -> None:
        """One request, which may go wrong on purpose."""
        fake = self.fake
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path}"
        with fake.lock:
            fake.requests.append(request)
        fake.closing.wait(fake.latency_seconds)
        fault = next((fault for fault in fake.faults if re.search(fault.pattern, request)), None)
        if fault is None:
            self.reply(*self.answer(parts.path, parse_qs(parts.query), body))
            return
        if fault.drop:
            self.answer(parts.path, parse_qs(parts.query), body)
        while fault.hang and fault in fake.faults and not fake.closing.wait(0.05):
            pass
        if fault.drop or fault.hang:
            self.close_connection = True
        else:
            self.reply(fault.status, fault.body or {"detail": "Internal error", "status": fault.status}, fault.headers)

    do_GET = do_POST = handle_one

    def answer(self, path: str, query: Mapping[str, list[str]], body: bytes) -> tuple[int, Any]:
        """What the account has to say, to its owner."""
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


def handler_of(fake: FakeReplicate) -> type[RequestHandler]:
    """What answers requests to one account."""
    return type("HandlerOfOne", (RequestHandler,), {"fake": fake})


def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
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
