"""A server and a Replicate beside it: both answer over real HTTP, each in a process of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tasuki.testing import FakeReplicate
from tests.support.processes import eventually
from tests.support.servers import Server

__all__ = ["CALM", "Site", "settings_of", "site_at"]

CALM = {"job_status_polling": {"enabled": False}, "queue_processing": {"interval_seconds": 0.2}}
"""Nothing is asked of providers but what a test asks for."""


class Site:
    """The two, and what is asked of the server."""

    def __init__(self, server: Server, fake: FakeReplicate) -> None:
        self.server = server
        self.fake = fake

    def call(self, method: str, path: str, expect: int = 200, **how: Any) -> Any:
        answer = self.server.client.request(method, f"/api/cloud/{path}", **how)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def job(self, id: str) -> dict[str, Any]:
        return self.call("GET", f"jobs/{id}")["job"]

    def jobs(self, **asked: Any) -> dict[str, Any]:
        return self.call("GET", "jobs", params=asked)

    def sync(self) -> dict[str, Any]:
        return self.call("POST", "jobs/sync")

    def submit(self, provider: str = "replicate", expect: int = 202, **body: Any) -> dict[str, Any]:
        return self.call("POST", "jobs/submit", expect, params={"provider": provider}, json=body)["job"]

    def refresh(self) -> dict[str, Any]:
        return self.jobs(sync_active="true", limit=500)

    def progress(self, id: str) -> dict[str, Any]:
        return self.call("GET", f"jobs/{id}/inline-progress")

    def running(self, logs: str = "") -> tuple[str, str]:
        """A job that runs at Replicate, and has written something: its id here and there."""
        job = self.submit(inputs={"prompt": "x"})
        self.fake.set(job["external_id"], status="processing", logs=logs)
        self.refresh()
        return job["job_id"], job["external_id"]

    def webhook(self, body: Any, **headers: Any) -> httpx.Response:
        """Send a message as Replicate would; `headers` replace its own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed: dict[str, Any] = self.fake.sign_webhook(content, webhook_id=headers.pop("webhook_id", None)) | headers
        return self.server.client.post("/api/webhooks/replicate", content=content, headers=signed)

    def until(self, id: str, status: str) -> dict[str, Any]:
        """Wait until a job has this status."""
        eventually(lambda: self.job(id)["status"] == status)
        return self.job(id)


def settings_of(fake: FakeReplicate, background: dict[str, Any] = CALM, **more: Any) -> str:
    """A settings file."""
    replicate = {"token": fake.token, "base_url": fake.url, "version": "v1", "hardware": "gpu-t4"}
    providers = {"replicate": replicate | more.pop("replicate", {}), "local": more.pop("local", {})}
    return json.dumps({"background": background, "providers": providers} | more)


@contextmanager
def site_at(folder: Path, background: dict[str, Any] = CALM, **more: Any) -> Iterator[Site]:
    """Both, for a block."""
    with FakeReplicate() as fake:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tasuki.yaml").write_text(settings_of(fake, background, **more))
        site = Site(Server(folder), fake)
        try:
            yield site
        finally:
            site.server.end()  # the one that is there by then
