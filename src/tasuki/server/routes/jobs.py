"""Jobs over HTTP: paths, names and shapes that existing clients use. Who has no admin token sees and touches only their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from tasuki.errors import ConfigError, Conflict, NotFound, RemoteRejected
from tasuki.jobs import JobAnswer, JobList, JobLogs, JobMetrics, Jobs, JobShown, JobStatus, Progress, Submission, SyncReport
from tasuki.jobs import Request as JobRequest
from tasuki.server.auth.guards import forbidden, needs
from tasuki.server.auth.tokens import Principal, Scope
from tasuki.server.http.body_limits import MAX_JSON_BYTES
from tasuki.server.http.problems import Problem, Refusal
from tasuki.server.routes.notes import storable
from tasuki.server.workers.event_hub import Hub, client_address
from tasuki.server.workers.receiver import Receiver
from tasuki.store import JobsWanted

__all__ = ["JOBS_API", "PROBLEMS", "Only", "Request_", "Submit", "body_of", "parsed", "translated"]

PROBLEM = "application/problem+json"
SHELL = ["/bin/sh", "-c"]
HEARTBEAT_SECONDS = 15.0
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
RETRY_SECONDS = 5
ACTIVE = "active"
PROBLEMS = {
    400: ResponseSpec(Problem, description="A parameter or the body is wrong", media_type=PROBLEM),
    404: ResponseSpec(Problem, description="There is no such job or provider", media_type=PROBLEM),
    409: ResponseSpec(Problem, description="The job is not in a state for that, which it says", media_type=PROBLEM),
    413: ResponseSpec(Problem, description="Too large", media_type=PROBLEM),
    503: ResponseSpec(Problem, description="The provider can't be asked now", media_type=PROBLEM),
}
ANSWER = {200: ResponseSpec(JobAnswer, description="The job"), **PROBLEMS}
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="The most jobs of an answer")]
Offset = Annotated[int, QueryParameter(ge=0, le=2**53, description="How many to pass over")]
Request_ = Request[Any, Principal, Any]


class Submit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be run. A command that is one text is run by a shell."""

    config_name: Text | None = None
    command: list[str] | str = []
    inputs: dict[str, Any] = {}
    hardware_type: Text | None = None
    env: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    webhook_url: Text | None = None
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None


@contextmanager
def translated(missing: str = "job_not_found") -> Iterator[None]:
    """Errors of jobs as what a client is told, with a stable word."""
    try:
        yield
    except NotFound as error:
        raise Refusal(404, error.message, error=missing) from error
    except Conflict as error:
        raise Refusal(409, error.message, hint=error.hint) from error
    except ConfigError as error:
        raise Refusal(400, error.message, error="bad_request", hint=error.hint) from error
    except RemoteRejected as error:
        raise Refusal(503, error.message, error="provider_refused", hint=error.hint) from error


async def body_of(request: Request_, receiver: Receiver, limit_bytes: int = MAX_JSON_BYTES) -> bytes:
    """The body. Refusal (413) for one that is too large."""
    async with receiver.bodies.read(request, limit_bytes) as body:
        return body


def parsed(body: bytes, kind: Any) -> Any:
    """What a body says; nothing where there is none. Refusal (400) for what it can't be."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"the body is not what was expected: {error}", error="bad_request", hint="docs/api.md, Jobs") from error


def is_admin(principal: Principal) -> bool:
    """Whether somebody sees everybody's jobs."""
    return principal.scope is Scope.ADMIN and principal.project is None


def user_of(request: Request_) -> str | None:
    """Whose jobs a request is about; None: everybody's."""
    return None if is_admin(request.auth) else request.auth.name


def statuses_from(texts: list[str] | None) -> frozenset[str] | None:
    """The states that a question names. Refusal (400), with those there are, for one that is none."""
    words = {word.strip() for text in texts or () for word in text.split(",") if word.strip()}
    if not words:
        return None
    known = {status.value for status in JobStatus}
    if odd := sorted(words - known - {ACTIVE}):
        raise Refusal(
            400, f"there is no status {', '.join(odd)}", error="unknown_status", hint=f"there are {', '.join([*JobStatus, ACTIVE])}"
        )
    active = {status.value for status in JobStatus if status.is_active} if ACTIVE in words else set()
    return frozenset((words - {ACTIVE}) | active)


def answered(answer: msgspec.Struct, status: int = 200) -> Response[bytes]:
    """An answer as JSON: never from a cache."""
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(answer), status_code=status, media_type="application/json", headers=headers)


def one(job: JobShown, status: int = 200) -> Response[bytes]:
    """One job."""
    return answered(JobAnswer(job=job), status)


@get(
    "/api/cloud/jobs", summary="Jobs", opt=needs(Scope.READ), responses={200: ResponseSpec(JobList, description="Jobs"), **PROBLEMS}
)
async def listing(  # noqa: PLR0913 - a parameter each
    request: Request_,
    jobs: Jobs,
    job_type: FromQuery[Literal["local", "cloud"] | None] = None,
    status: FromQuery[list[str] | None] = None,
    provider: FromQuery[str | None] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    sync_active: FromQuery[bool] = False,
    order: FromQuery[Literal["created", "-created"]] = "-created",
) -> Response[bytes]:
    """Jobs by the time they were created, the newest first. `status` may repeat, be a list with commas, or `active`.

    With `sync_active` all active ones are looked at before, for at most 10 seconds; what could not be reached says so.
    """
    wanted = JobsWanted(None if job_type is None else job_type == "local", statuses_from(status), provider, user_of(request))
    with translated():
        return answered(
            await jobs.listing(wanted, limit=limit, offset=offset, newest_first=order == "-created", sync_active=sync_active)
        )


class Only(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which provider is looked at; all of them where none is named."""

    provider: Text | None = None


@post(
    "/api/cloud/jobs/sync", status_code=200, summary="Look for jobs", opt=needs(Scope.WRITE),
    responses={200: ResponseSpec(SyncReport, description="What was found"), **PROBLEMS},
)  # fmt: skip
async def sync(request: Request_, jobs: Jobs, receiver: Receiver) -> Response[bytes]:
    """Jobs that were submitted elsewhere come to be known; what is known of others is brought up to date."""
    only: Only = parsed(await body_of(request, receiver), Only)
    with translated("provider_not_found"):
        return answered(await jobs.sync(only.provider))


@post(
    "/api/cloud/jobs/submit", status_code=202, summary="Start a job", opt=needs(Scope.WRITE),
    responses={202: ResponseSpec(JobAnswer, description="It is on record"), **PROBLEMS},
)  # fmt: skip
async def submit(request: Request_, jobs: Jobs, receiver: Receiver, provider: FromQuery[str] = "local") -> Response[bytes]:
    """Start a job. A second request of one user with the same `idempotency_key` is answered with the first one's job.

    A command of this machine's needs an admin token: it can do whatever the server can.
    """
    wanted: Submit = parsed(await body_of(request, receiver), Submit)
    if provider == "local" and not is_admin(request.auth):
        raise forbidden(request.auth, Scope.ADMIN, None)
    command = [*SHELL, wanted.command] if isinstance(wanted.command, str) and wanted.command else list(wanted.command)
    submission = Submission(
        provider=provider,
        request=JobRequest(command=command, inputs=wanted.inputs, env=wanted.env, webhook_url=wanted.webhook_url),
        user=request.auth.name or None,
        config_name=wanted.config_name,
        hardware_type=wanted.hardware_type,
        metadata={key: storable(value) for key, value in wanted.metadata.items()},
        key=wanted.idempotency_key,
    )
    with translated("provider_not_found"):
        return one(await jobs.submit(submission), 202)


@get("/api/cloud/jobs/{id:str}", summary="One job", opt=needs(Scope.READ), responses=ANSWER)
async def job(request: Request_, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """One job, by its id or a unique beginning of it."""
    with translated():
        return one(await jobs.get(id, user_of(request)))


@delete("/api/cloud/jobs/{id:str}", status_code=200, summary="Forget a job", opt=needs(Scope.WRITE), responses={
    200: ResponseSpec(JobAnswer, description="The job that was forgotten"), **PROBLEMS,
})  # fmt: skip
async def forget(request: Request_, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Forget a job that is over. It is not found again."""
    with translated():
        found = await jobs.get(id, user_of(request))
        if found.is_active:
            raise Refusal(409, f"job {found.job_id} is {found.status}: cancel it first", error="job_is_active", state=found.status)
        await jobs.delete(found.job_id, user_of(request))
    return one(found)


@get(
    "/api/cloud/jobs/{id:str}/inline-progress", summary="How far a job is", opt=needs(Scope.READ),
    responses={200: ResponseSpec(Progress, description="What its latest lines say"), **PROBLEMS},
)  # fmt: skip
async def inline_progress(request: Request_, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Stage, last line and percentage of a running job; all null for one that does not run, and nobody is asked then."""
    with translated():
        return answered(await jobs.progress(id, user_of(request)))


@get(
    "/api/cloud/jobs/{id:str}/logs", summary="What a job has written", opt=needs(Scope.READ),
    responses={200: ResponseSpec(JobLogs, description="All of it"), **PROBLEMS},
)  # fmt: skip
async def logs(request: Request_, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """All that a job has written: also what its provider has deleted since."""
    with translated():
        return answered(await jobs.logs(id, user_of(request)))


@get("/api/cloud/jobs/{id:str}/logs/stream", summary="What a job writes, as it comes", opt=needs(Scope.READ), responses={
    200: ResponseSpec(str, description="Server-sent events: a line each, then `done`", media_type="text/event-stream"), **PROBLEMS,
})  # fmt: skip
async def follow(request: Request_, jobs: Jobs, hub: Hub, log_streams: Counter[str], id: FromPath[str]) -> Stream:
    """Every line, each an event without a name, then one named `done` with the status. `Last-Event-ID` goes on behind that line."""
    with translated():
        await jobs.row(id, user_of(request))
    address = client_address(request.scope, hub.trusted)
    if log_streams[address] >= hub.per_address:
        detail = f"{address} follows {hub.per_address} logs already"
        raise Refusal(429, detail, error="too-many-connections", wait=RETRY_SECONDS)
    place = request.headers.get("last-event-id", "")
    lines = counted(log_streams, address, messages(jobs, hub, id, user_of(request), place))
    return Stream(lines, media_type="text/event-stream; charset=utf-8", headers=STREAM_HEADERS)


async def counted(counter: Counter[str], address: str, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, counted while it lasts."""
    counter[address] += 1
    try:
        async for message in stream:
            yield message
    finally:
        counter[address] -= 1
        if not counter[address]:
            del counter[address]


async def messages(jobs: Jobs, hub: Hub, id: str, user: str | None, place: str) -> AsyncIterator[bytes]:
    """A job's lines as server-sent events, with a sign of life now and then."""
    events = jobs.follow(id, user, place)
    coming = asyncio.ensure_future(anext(events, None))
    yield b": a line each, then done\n\n"
    try:
        while not hub.closing.is_set():
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield b": heartbeat\n\n"
                continue
            event = coming.result()
            if event is None:
                return
            if event.line is None:
                yield f"event: done\nid: {event.place}\ndata: {msgspec.json.encode({'status': event.status}).decode()}\n\n".encode()
                return
            yield f"id: {event.place}\ndata: {event.line}\n\n".encode()
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        coming.cancel()


@post("/api/cloud/jobs/{id:str}/cancel", status_code=200, summary="End a job", opt=needs(Scope.WRITE), responses=ANSWER)
async def cancel(request: Request_, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """End a job. What becomes of it is what its provider says: it may have been over in that moment."""
    with translated():
        found = await jobs.get(id, user_of(request))
        if found.is_terminal:
            raise Refusal(409, f"job {found.job_id} is {found.status} already", error="job_is_final", state=found.status)
        return one(await jobs.cancel(found.job_id, user_of(request)))


@post("/api/cloud/jobs/{id:str}/retry", status_code=202, summary="Try a job again", opt=needs(Scope.WRITE), responses={
    202: ResponseSpec(JobAnswer, description="A new attempt is on record"), **PROBLEMS,
})  # fmt: skip
async def retry(request: Request_, jobs: Jobs, id: FromPath[str], restart: FromQuery[str | None] = None) -> Response[bytes]:
    """A new attempt at a job that is over; one in a queue may begin from an output of the last attempt, like CONTCAR."""
    with translated():
        found = await jobs.get(id, user_of(request))
        if found.is_active:
            raise Refusal(409, f"job {found.job_id} is {found.status}: cancel it first", error="job_is_active", state=found.status)
        return one(await jobs.retry(found.job_id, user_of(request), restart=restart), 202)


@get("/api/cloud/metrics", summary="Counts and costs", opt=needs(Scope.READ), responses={
    200: ResponseSpec(JobMetrics, description="Counts by status, costs by provider"), **PROBLEMS,
})  # fmt: skip
async def metrics(request: Request_, jobs: Jobs) -> Response[bytes]:
    """How many jobs there are in each state, and what they have cost."""
    return answered(await jobs.metrics(user_of(request)))


JOBS_API = [listing, sync, submit, job, forget, inline_progress, logs, follow, cancel, retry, metrics]
