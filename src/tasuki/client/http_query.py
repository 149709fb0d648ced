"""Query a server over HTTP: the same questions and edits as a folder's store."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import numpy as np

from tasuki import __version__
from tasuki.client.binary_body import MEDIA_TYPE, decode_arrays, decode_header
from tasuki.errors import Conflict, NotFound, RemoteRejected, RemoteUnavailable
from tasuki.records import (
    AlertLevel,
    AlertRow,
    FileRow,
    HistoryRow,
    MetricSummary,
    NoteKind,
    NoteRow,
    ProjectOverview,
    ProjectRow,
    RunEdit,
    RunRow,
    TextRow,
)
from tasuki.relay.http_responses import RETRY_STATUSES, ProblemDocument
from tasuki.relay.http_transport import PROTOCOL, Token, build_authorization, parse_remote_url
from tasuki.store import BestRuns, Series, build_update, select_best_runs

__all__ = ["HttpQuery"]

TIMEOUT = httpx.Timeout(10.0, read=30.0)
PAGE_SIZE = 1000
LARGE_PAGE_SIZE = 100_000
HISTORY_PAGE_SIZE = 20_000
MAX_NAMES_IN_QUERY = 50
JSON_TYPE = "application/json"
T = TypeVar("T")


class HttpQuery:
    """Queries answered by a server.

    Raise RemoteUnavailable while it cannot be reached; never fall back to other data.
    """

    def __init__(self, url: str, token: Token = None, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = parse_remote_url(url).geturl().rstrip("/")
        headers = {"User-Agent": f"tasuki/{__version__}", "Tasuki-Protocol": PROTOCOL}
        self.token = token
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, transport=transport)
        self.missing = 0

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def __enter__(self) -> "HttpQuery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- answers

    def projects(self) -> list[ProjectRow]:
        """Return all projects, by name."""
        return list(self.iter_rows("projects", "projects", ProjectRow, {}))

    def overview(self, project: str) -> ProjectOverview:
        """Return the overview of a project."""
        found: ProjectOverview = self.convert(self.get_object("overview", {"project": project}), ProjectOverview)
        return found

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the project's runs, or the first `limit` of them, oldest or newest first."""
        page = PAGE_SIZE if limit is None else min(max(limit, 1), PAGE_SIZE)
        order = "-created" if newest_first else "created"
        return list(islice(self.iter_rows("runs", "runs", RunRow, {"project": project, "limit": page, "order": order}), limit))

    def run(self, project: str, ref: str) -> RunRow:
        """Return one run, by id, by a unique prefix of its id, or by a unique name."""
        found: RunRow = self.convert(self.get_object(f"runs/{quote_segment(ref)}", {"project": project}), RunRow)
        return found

    def runs_by_ref(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Return several runs, in the order of `refs`."""
        parts = [list(refs[start : start + MAX_NAMES_IN_QUERY]) for start in range(0, len(refs), MAX_NAMES_IN_QUERY)]
        return [row for part in parts for row in self.iter_rows("runs", "runs", RunRow, {"project": project, "ref": part})]

    def summaries(
        self,
        project: str,
        runs: Collection[str] | None = None,
        metrics: Collection[str] | None = None,
        *,
        top: BestRuns | None = None,
    ) -> list[MetricSummary]:
        """Return the summary of each metric of each run, by run and metric.

        With `top`, only the best, best first.
        """
        asked: dict[str, Any] = {"project": project, "limit": LARGE_PAGE_SIZE}
        if (runs is not None and not runs) or (metrics is not None and not metrics):
            return []
        asked |= {"run": list(runs)} if runs is not None and len(runs) <= MAX_NAMES_IN_QUERY else {}
        asked |= {"metric": list(metrics)} if metrics is not None and len(metrics) <= MAX_NAMES_IN_QUERY else {}
        if top is not None and all(names is None or len(names) <= MAX_NAMES_IN_QUERY for names in (runs, metrics)):
            asked |= {"top": top.n, "mode": top.mode, "by": top.by}
        found = self.iter_rows("summaries", "summaries", MetricSummary, asked)
        chosen = [row for row in found if (runs is None or row.run in runs) and (metrics is None or row.metric in metrics)]
        return chosen if top is None else select_best_runs(chosen, top)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged calls, by (step, time)."""
        return list(chain.from_iterable(self.history_pages(project, run, metric)))

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """Yield the history page by page."""
        asked: dict[str, Any] = {"project": project, "limit": HISTORY_PAGE_SIZE} | ({} if metric is None else {"metric": metric})
        return self.iter_pages(f"runs/{quote_segment(run)}/history", "history", HistoryRow, asked)

    def series(self, project: str, run: str, metric: str) -> Series:
        """Return the points of one metric."""
        answer = self.get(f"runs/{quote_segment(run)}/points", {"project": project, "metric": metric}, accept=MEDIA_TYPE)
        try:
            header, start = decode_header(answer.content)
            n = int(header["n"])
            steps, times, values = decode_arrays(answer.content, start, [("<i8", n), ("<i8", n), ("<f8", n)])
            self.missing = int(header["missing"])
        except (KeyError, ValueError, TypeError) as error:
            raise self.build_not_tasuki_error(answer) from error
        return Series(steps.astype(np.int64), times.astype(np.int64), values.astype(np.float64))

    def alerts(
        self,
        project: str,
        run: str | None = None,
        *,
        since: int | str | None = None,
        reason: str | None = None,
        level: AlertLevel | None = None,
    ) -> list[AlertRow]:
        """Return the alerts of a project or run, in the order of their arrival at the server."""
        wanted = {"run": run, "since": since, "reason": reason, "level": level}
        asked = {"project": project, "limit": PAGE_SIZE} | {name: value for name, value in wanted.items() if value is not None}
        return list(self.iter_rows("alerts", "alerts", AlertRow, asked))

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run."""
        asked: dict[str, Any] = {"project": project, "limit": PAGE_SIZE} | ({} if name is None else {"name": name})
        return list(self.iter_rows(f"runs/{quote_segment(run)}/texts", "texts", TextRow, asked))

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """Return a project's notes, by time."""
        asked: dict[str, Any] = {"brain": project, "limit": PAGE_SIZE}
        asked |= {name: value for name, value in (("kind", kind), ("since", since), ("search", search)) if value is not None}
        return list(self.iter_rows("notes", "notes", NoteRow, asked))

    # -- changes

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run; return the changed run."""
        build_update(change)
        found: RunRow = self.convert(self.send_edit("PATCH", project, run, msgspec.json.encode(change)), RunRow)
        return found

    def delete(self, project: str, run: str) -> RunRow:
        """Delete a run, leaving a tombstone; return the run as it was."""
        found: RunRow = self.convert(self.send_edit("DELETE", project, run), RunRow)
        return found

    def purge(self, project: str, run: str) -> int:
        """Drop the server's streams of a run, by its id, for good; return their number."""
        answer = self.send("POST", "purge", {"project": project, "run": run}, accept=JSON_TYPE)
        return int(self.decode_object(answer).get("streams", 0))

    def stop(self, project: str, ref: str, reason: str | None, by: str | None) -> RunRow:
        """Request that the latest attempt of a run stops."""
        body = msgspec.json.encode({"reason": reason, "by": by})
        found: RunRow = self.convert(self.send_edit("POST", project, ref, body, "/stop"), RunRow)
        return found

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """Return the files of a project or run, in the order of their arrival."""
        asked: dict[str, Any] = {"project": project, "limit": PAGE_SIZE} | ({} if run is None else {"run": run})
        return list(self.iter_rows("files", "files", FileRow, asked))

    # -- how

    def send_edit(self, method: str, project: str, run: str, body: bytes | None = None, suffix: str = "") -> dict[str, Any]:
        """Send a change; return the run that the server answers with."""
        return self.decode_object(
            self.send(method, f"runs/{quote_segment(run)}{suffix}", {"project": project}, accept=JSON_TYPE, body=body)
        )

    def iter_rows(self, path: str, name: str, row_type: type[T], parameters: dict[str, Any]) -> Iterator[T]:
        """Yield all rows of a list, page by page."""
        return chain.from_iterable(self.iter_pages(path, name, row_type, parameters))

    def iter_pages(self, path: str, name: str, row_type: type[T], parameters: dict[str, Any]) -> Iterator[list[T]]:
        """Yield the pages of a list."""
        missing, cursor = 0, None
        while True:
            page = self.get_object(path, parameters if cursor is None else parameters | {"cursor": cursor})
            missing = max(missing, self.missing)
            yield self.convert(page.get(name), list[row_type])  # type: ignore[valid-type]
            cursor = page.get("next")
            if not cursor:
                self.missing = missing
                return

    def get_object(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Request a JSON object."""
        return self.decode_object(self.get(path, parameters, accept=JSON_TYPE))

    def decode_object(self, response: httpx.Response) -> dict[str, Any]:
        """Decode the JSON object of a response; remember the number of records missing from it."""
        try:
            found = msgspec.json.decode(response.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self.build_not_tasuki_error(response) from error
        self.missing = int(found.get("missing", 0))
        return found

    def get(self, path: str, parameters: dict[str, Any], *, accept: str) -> httpx.Response:
        """Send a GET request."""
        return self.send("GET", path, parameters, accept=accept)

    def send(self, method: str, path: str, parameters: dict[str, Any], *, accept: str, body: bytes | None = None) -> httpx.Response:
        """Send a request. Raise the error that a response stands for."""
        headers = {"Accept": accept} | build_authorization(self.token) | ({} if body is None else {"Content-Type": JSON_TYPE})
        try:
            answer = self.client.request(method, f"/api/v1/{path}", params=parameters, headers=headers, content=body)
        except httpx.TransportError as error:
            raise build_unreachable_error(self.url, error) from error
        if answer.status_code != httpx.codes.OK:
            raise self.build_error(answer)
        return answer

    def convert(self, value: Any, target_type: Any) -> Any:
        """Convert rows from JSON; numbers that JSON lacks are strings there."""
        try:
            return msgspec.convert(value, target_type, strict=False)
        except msgspec.ValidationError as error:
            raise RemoteRejected(
                f"{self.url} answers what this version can't read: {error}", hint="pip install -U tasuki"
            ) from error

    def build_error(self, response: httpx.Response) -> Exception:
        """Return the error that a response stands for."""
        status = response.status_code
        if response.headers.get("Tasuki-Protocol") is None:
            return self.build_not_tasuki_error(response)
        try:
            said = msgspec.json.decode(response.content, type=ProblemDocument)
        except msgspec.DecodeError:
            return self.build_not_tasuki_error(response)
        if status == httpx.codes.NOT_FOUND:
            return NotFound(said.detail, hint=said.hint)
        if status == httpx.codes.CONFLICT:
            return Conflict(said.detail, hint=said.hint)
        if status >= 500 or status in RETRY_STATUSES:
            return RemoteUnavailable(f"{self.url}: {said.detail}", hint=said.hint)
        return RemoteRejected(f"{self.url}: {said.detail}", hint=said.hint)

    def build_not_tasuki_error(self, response: httpx.Response) -> RemoteUnavailable | RemoteRejected:
        """Return the error for a response that is not tasuki's: an outage, or another service."""
        found = f"{self.url} answered {response.status_code} {response.reason_phrase}, but not as a tasuki server does"
        if response.status_code >= 500 or response.status_code == 429:
            return RemoteUnavailable(found, hint="a proxy before it may be in trouble; try again later")
        return RemoteRejected(found, hint=f"what is wrong: tasuki remote test {self.url}")


def quote_segment(name: str) -> str:
    """Quote a name as one path segment."""
    return quote(name, safe="")


def build_unreachable_error(url: str, error: httpx.TransportError) -> RemoteUnavailable:
    """Return the error for a server that cannot be reached."""
    said = str(error) or type(error).__name__
    return RemoteUnavailable(f"{url} can't be reached: {said}", hint=f"what is wrong: tasuki remote test {url}")
