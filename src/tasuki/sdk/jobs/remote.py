"""The jobs of a server, over HTTP: what is asked is what the page asks."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from tasuki.client.http_query import HttpQuery, build_unreachable_error, quote_segment
from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import ConfigError, Conflict, RemoteUnavailable
from tasuki.jobs import JobAnswer, JobList, JobLogs, JobMetrics, JobView, Submission, SyncReport
from tasuki.relay.http_transport import build_authorization
from tasuki.sdk.jobs.protocol import JobAction, ListOptions

__all__ = ["RemoteJobs"]

PAGE_SIZE = 500
RECONNECT_SECONDS = 2.0
MAX_RECONNECTS = 30
EVENT_STREAM = "text/event-stream"


class RemoteJobs:
    """Of one server."""

    def __init__(self, query: HttpQuery) -> None:
        self.query = query

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.query.close()

    def list(self, options: ListOptions) -> JobList:
        """See JobsApi."""
        filters = {
            "status": ",".join(options.statuses),
            "provider": options.provider,
            "sync_active": "true" if options.refresh else None,
        }
        asked: dict[str, Any] = {name: value for name, value in filters.items() if value}
        found: JobList = JobList(jobs=[], total=0)
        while True:
            left = PAGE_SIZE if options.limit is None else min(PAGE_SIZE, options.limit - len(found.jobs))
            page: JobList = self.request("GET", "jobs", JobList, params=asked | {"limit": max(left, 1), "offset": len(found.jobs)})
            found = JobList(jobs=[*found.jobs, *page.jobs][: options.limit], total=page.total)
            if len(page.jobs) < left or len(found.jobs) == options.limit:
                return found
            asked.pop("sync_active", None)

    def get(self, id: str, *, refresh: bool = False) -> JobView:
        """See JobsApi."""
        if refresh:
            self.list(ListOptions(limit=1, refresh=True))
        return self.request_job("GET", f"jobs/{quote_segment(id)}")

    def submit(self, submission: Submission) -> JobView:
        """See JobsApi. The job runs on the server's machine: this folder and environment do not apply there."""
        request = submission.request
        body: dict[str, Any] = {
            "config_name": submission.config_name,
            "command": request.command,
            "inputs": request.inputs,
            "env": request.env,
            "hardware_type": submission.hardware_type,
            "metadata": submission.metadata,
            "idempotency_key": submission.key,
        }
        given = {name: value for name, value in body.items() if value}
        return self.request_job("POST", "jobs/submit", params={"provider": submission.provider}, content=msgspec.json.encode(given))

    def perform(self, id: str, action: JobAction) -> JobView:
        """See JobsApi."""
        if action is JobAction.DELETE:
            return self.request_job("DELETE", f"jobs/{quote_segment(id)}")
        return self.request_job("POST", f"jobs/{quote_segment(id)}/{action}")

    def retry(self, id: str, restart: str | None = None) -> JobView:
        """See JobsApi."""
        return self.request_job("POST", f"jobs/{quote_segment(id)}/retry", params={} if restart is None else {"restart": restart})

    def iter_log_lines(self, id: str, *, follow: bool = False) -> Iterator[str]:
        """See JobsApi. A stream that breaks off is taken up again where it was."""
        if not follow:
            logs: JobLogs = self.request("GET", f"jobs/{quote_segment(id)}/logs", JobLogs)
            yield from logs.logs.splitlines()
            return
        place, breaks = "", 0
        while True:
            try:
                for message in self.iter_events(f"/api/cloud/jobs/{quote_segment(id)}/logs/stream", place):
                    place, breaks = message.get("id", place), 0
                    if message.get("event") == "done":
                        return
                    yield message.get("data", "")
            except RemoteUnavailable:
                if breaks >= MAX_RECONNECTS or not place:
                    raise
            breaks += 1
            SYSTEM_CLOCK.sleep(RECONNECT_SECONDS)

    def iter_events(self, path: str, last_event_id: str) -> Iterator[dict[str, str]]:
        """Server-sent events, each by its fields."""
        headers = {"Accept": EVENT_STREAM, "Last-Event-ID": last_event_id} | build_authorization(self.query.token)
        try:
            with self.query.client.stream("GET", path, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise self.build_error(answer)
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name:
                        fields[name] = value
                    elif "data" in fields:
                        yield fields
                        fields = {}
        except httpx.TransportError as error:
            raise build_unreachable_error(self.query.url, error) from error

    def metrics(self) -> JobMetrics:
        """See JobsApi."""
        found: JobMetrics = self.request("GET", "metrics", JobMetrics)
        return found

    def sync(self, provider: str | None = None) -> SyncReport:
        """See JobsApi."""
        found: SyncReport = self.request(
            "POST", "jobs/sync", SyncReport, content=b"" if provider is None else msgspec.json.encode({"provider": provider})
        )
        return found

    # -- how

    def request_job(self, method: str, path: str, **request_options: Any) -> JobView:
        """The job that a request is answered with."""
        found: JobAnswer = self.request(method, path, JobAnswer, **request_options)
        return found.job

    def request(self, method: str, path: str, response_type: Any, **request_options: Any) -> Any:
        """Send a request; return its decoded response."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"} | build_authorization(self.query.token)
        try:
            answer = self.query.client.request(method, f"/api/cloud/{path}", headers=headers, **request_options)
        except httpx.TransportError as error:
            raise build_unreachable_error(self.query.url, error) from error
        if not answer.is_success:
            raise self.build_error(answer)
        try:
            found = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise self.query.build_not_tasuki_error(answer) from error
        return self.query.convert(found, response_type)

    def build_error(self, response: httpx.Response) -> Exception:
        """The error that an answer stands for."""
        error = self.query.build_error(response)
        kinds: dict[int, type[Conflict | ConfigError]] = {httpx.codes.CONFLICT: Conflict, httpx.codes.BAD_REQUEST: ConfigError}
        kind = kinds.get(response.status_code)
        return error if kind is None else kind(getattr(error, "message", ""), hint=getattr(error, "hint", None))
