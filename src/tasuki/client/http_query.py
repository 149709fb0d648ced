"""Query a server over HTTP: the same questions and edits as a folder's store."""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import numpy as np

from tasuki import __version__
from tasuki.client.binary_body import FRAME, arrays_from, header_from
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
from tasuki.relay.http_responses import WAIT, ProblemDocument
from tasuki.relay.http_transport import PROTOCOL, Token, authorization, remote_url
from tasuki.store import BestRuns, Series, best_of, changed

__all__ = ["HttpQuery"]

TIMEOUT = httpx.Timeout(10.0, read=30.0)
PAGE = 1000
LARGE_PAGE = 100_000
HISTORY_PAGE = 20_000
NAMED_RUNS = 50
JSON = "application/json"
T = TypeVar("T")


class HttpQuery:
    """Queries answered by a server.

    Raise RemoteUnavailable while it cannot be reached; never fall back to other data.
    """

    def __init__(self, url: str, token: Token = None, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = remote_url(url).geturl().rstrip("/")
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
        return list(self.rows("projects", "projects", ProjectRow, {}))

    def overview(self, project: str) -> ProjectOverview:
        """Return the overview of a project."""
        found: ProjectOverview = self.converted(self.ask("overview", {"project": project}), ProjectOverview)
        return found

    def runs(self, project: str, *, limit: int | None = None, newest_first: bool = False) -> list[RunRow]:
        """Return the project's runs, or the first `limit` of them, oldest or newest first."""
        page = PAGE if limit is None else min(max(limit, 1), PAGE)
        order = "-created" if newest_first else "created"
        return list(islice(self.rows("runs", "runs", RunRow, {"project": project, "limit": page, "order": order}), limit))

    def run(self, project: str, ref: str) -> RunRow:
        """Return one run, by id, by a unique prefix of its id, or by a unique name."""
        found: RunRow = self.converted(self.ask(f"runs/{segment(ref)}", {"project": project}), RunRow)
        return found

    def named(self, project: str, refs: Sequence[str]) -> list[RunRow]:
        """Return several runs, in the order of `refs`."""
        parts = [list(refs[start : start + NAMED_RUNS]) for start in range(0, len(refs), NAMED_RUNS)]
        return [row for part in parts for row in self.rows("runs", "runs", RunRow, {"project": project, "ref": part})]

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
        asked: dict[str, Any] = {"project": project, "limit": LARGE_PAGE}
        if (runs is not None and not runs) or (metrics is not None and not metrics):
            return []
        asked |= {"run": list(runs)} if runs is not None and len(runs) <= NAMED_RUNS else {}
        asked |= {"metric": list(metrics)} if metrics is not None and len(metrics) <= NAMED_RUNS else {}
        if top is not None and all(names is None or len(names) <= NAMED_RUNS for names in (runs, metrics)):
            asked |= {"top": top.n, "mode": top.mode, "by": top.by}
        found = self.rows("summaries", "summaries", MetricSummary, asked)
        chosen = [row for row in found if (runs is None or row.run in runs) and (metrics is None or row.metric in metrics)]
        return chosen if top is None else best_of(chosen, top)

    def history(self, project: str, run: str, metric: str | None = None) -> list[HistoryRow]:
        """Return the logged calls, by (step, time)."""
        return list(chain.from_iterable(self.history_pages(project, run, metric)))

    def history_pages(self, project: str, run: str, metric: str | None = None) -> Iterator[list[HistoryRow]]:
        """Yield the history page by page."""
        asked: dict[str, Any] = {"project": project, "limit": HISTORY_PAGE} | ({} if metric is None else {"metric": metric})
        return self.pages(f"runs/{segment(run)}/history", "history", HistoryRow, asked)

    def series(self, project: str, run: str, metric: str) -> Series:
        """Return the points of one metric."""
        answer = self.get(f"runs/{segment(run)}/points", {"project": project, "metric": metric}, accept=FRAME)
        try:
            header, start = header_from(answer.content)
            n = int(header["n"])
            steps, times, values = arrays_from(answer.content, start, [("<i8", n), ("<i8", n), ("<f8", n)])
            self.missing = int(header["missing"])
        except (KeyError, ValueError, TypeError) as error:
            raise self.not_tasuki(answer) from error
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
        asked = {"project": project, "limit": PAGE} | {name: value for name, value in wanted.items() if value is not None}
        return list(self.rows("alerts", "alerts", AlertRow, asked))

    def texts(self, project: str, run: str, name: str | None = None) -> list[TextRow]:
        """Return the texts of a run."""
        asked: dict[str, Any] = {"project": project, "limit": PAGE} | ({} if name is None else {"name": name})
        return list(self.rows(f"runs/{segment(run)}/texts", "texts", TextRow, asked))

    def notes(
        self, project: str, kind: NoteKind | None = None, *, since: int | None = None, search: str | None = None
    ) -> list[NoteRow]:
        """Return a project's notes, by time."""
        asked: dict[str, Any] = {"brain": project, "limit": PAGE}
        asked |= {name: value for name, value in (("kind", kind), ("since", since), ("search", search)) if value is not None}
        return list(self.rows("notes", "notes", NoteRow, asked))

    # -- changes

    def edit(self, project: str, run: str, change: RunEdit) -> RunRow:
        """Change fields and tags of a run; return the changed run."""
        changed(change)
        found: RunRow = self.converted(self.tell("PATCH", project, run, msgspec.json.encode(change)), RunRow)
        return found

    def delete(self, project: str, run: str) -> RunRow:
        """Delete a run, leaving a tombstone; return the run as it was."""
        found: RunRow = self.converted(self.tell("DELETE", project, run), RunRow)
        return found

    def purge(self, project: str, run: str) -> int:
        """Drop the server's streams of a run, by its id, for good; return their number."""
        answer = self.send("POST", "purge", {"project": project, "run": run}, accept=JSON)
        return int(self.object_in(answer).get("streams", 0))

    def stop(self, project: str, ref: str, reason: str | None, by: str | None) -> RunRow:
        """Request that the latest attempt of a run stops."""
        body = msgspec.json.encode({"reason": reason, "by": by})
        found: RunRow = self.converted(self.tell("POST", project, ref, body, "/stop"), RunRow)
        return found

    def files(self, project: str, run: str | None = None) -> list[FileRow]:
        """Return the files of a project or run, in the order of their arrival."""
        asked: dict[str, Any] = {"project": project, "limit": PAGE} | ({} if run is None else {"run": run})
        return list(self.rows("files", "files", FileRow, asked))

    # -- how

    def tell(self, method: str, project: str, run: str, body: bytes | None = None, what: str = "") -> dict[str, Any]:
        """Send a change; return the run that the server answers with."""
        return self.object_in(self.send(method, f"runs/{segment(run)}{what}", {"project": project}, accept=JSON, body=body))

    def rows(self, path: str, name: str, kind: type[T], asked: dict[str, Any]) -> Iterator[T]:
        """Yield all rows of a list, page by page."""
        return chain.from_iterable(self.pages(path, name, kind, asked))

    def pages(self, path: str, name: str, kind: type[T], asked: dict[str, Any]) -> Iterator[list[T]]:
        """Yield the pages of a list."""
        missing, cursor = 0, None
        while True:
            page = self.ask(path, asked if cursor is None else asked | {"cursor": cursor})
            missing = max(missing, self.missing)
            yield self.converted(page.get(name), list[kind])  # type: ignore[valid-type]
            cursor = page.get("next")
            if not cursor:
                self.missing = missing
                return

    def ask(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Request a JSON object."""
        return self.object_in(self.get(path, asked, accept=JSON))

    def object_in(self, answer: httpx.Response) -> dict[str, Any]:
        """Decode the JSON object of a response; remember the number of records missing from it."""
        try:
            found = msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self.not_tasuki(answer) from error
        self.missing = int(found.get("missing", 0))
        return found

    def get(self, path: str, asked: dict[str, Any], *, accept: str) -> httpx.Response:
        """Send a GET request."""
        return self.send("GET", path, asked, accept=accept)

    def send(self, method: str, path: str, asked: dict[str, Any], *, accept: str, body: bytes | None = None) -> httpx.Response:
        """Send a request. Raise the error that a response stands for."""
        headers = {"Accept": accept} | authorization(self.token) | ({} if body is None else {"Content-Type": JSON})
        try:
            answer = self.client.request(method, f"/api/v1/{path}", params=asked, headers=headers, content=body)
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
        if answer.status_code != httpx.codes.OK:
            raise self.refusal(answer)
        return answer

    def converted(self, found: Any, kind: Any) -> Any:
        """Convert rows from JSON; numbers that JSON lacks are strings there."""
        try:
            return msgspec.convert(found, kind, strict=False)
        except msgspec.ValidationError as error:
            raise RemoteRejected(
                f"{self.url} answers what this version can't read: {error}", hint="pip install -U tasuki"
            ) from error

    def refusal(self, answer: httpx.Response) -> Exception:
        """Return the error that a response stands for."""
        status = answer.status_code
        if answer.headers.get("Tasuki-Protocol") is None:
            return self.not_tasuki(answer)
        try:
            said = msgspec.json.decode(answer.content, type=ProblemDocument)
        except msgspec.DecodeError:
            return self.not_tasuki(answer)
        if status == httpx.codes.NOT_FOUND:
            return NotFound(said.detail, hint=said.hint)
        if status == httpx.codes.CONFLICT:
            return Conflict(said.detail, hint=said.hint)
        if status >= 500 or status in WAIT:
            return RemoteUnavailable(f"{self.url}: {said.detail}", hint=said.hint)
        return RemoteRejected(f"{self.url}: {said.detail}", hint=said.hint)

    def not_tasuki(self, answer: httpx.Response) -> RemoteUnavailable | RemoteRejected:
        """Return the error for a response that is not tasuki's: an outage, or another service."""
        found = f"{self.url} answered {answer.status_code} {answer.reason_phrase}, but not as a tasuki server does"
        if answer.status_code >= 500 or answer.status_code == 429:
            return RemoteUnavailable(found, hint="a proxy before it may be in trouble; try again later")
        return RemoteRejected(found, hint=f"what is wrong: tasuki remote test {self.url}")


def segment(name: str) -> str:
    """Quote a name as one path segment."""
    return quote(name, safe="")


def unreachable(url: str, error: httpx.TransportError) -> RemoteUnavailable:
    """Return the error for a server that cannot be reached."""
    said = str(error) or type(error).__name__
    return RemoteUnavailable(f"{url} can't be reached: {said}", hint=f"what is wrong: tasuki remote test {url}")
