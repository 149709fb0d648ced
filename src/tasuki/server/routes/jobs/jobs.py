"""Routes of jobs, with the paths and JSON formats that existing clients use.

Without a token of scope admin on all projects, a user can see and change only the jobs of the token's owner name.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from tasuki.jobs import JobAnswer, JobList, JobLogs, JobMetrics, Jobs, JobStatus, JobView, Progress, Submission, SyncReport
from tasuki.jobs import JobRequest as JobRequest
from tasuki.server.auth.guards import forbidden_problem, requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.http.problems import HttpProblem
from tasuki.server.http.schemas import SubmitRequest, SyncJobsRequest
from tasuki.server.routes.events import find_client_address
from tasuki.server.routes.jobs.job_requests import (
    PROBLEM_RESPONSES,
    AuthenticatedRequest,
    parse_body,
    read_body,
    translate_job_errors,
)
from tasuki.server.routes.notes import to_storable
from tasuki.server.workers.event_hub import EventHub
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.store import JobFilter

__all__ = ["JOB_ROUTES", "build_job_response", "job"]

SHELL_COMMAND = ["/bin/sh", "-c"]
HEARTBEAT_SECONDS = 15.0
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
RETRY_SECONDS = 5
ACTIVE = "active"
JOB_RESPONSES = {200: ResponseSpec(JobAnswer, description="The job"), **PROBLEM_RESPONSES}
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="The most jobs of an answer")]
Offset = Annotated[int, QueryParameter(ge=0, le=2**53, description="How many to pass over")]


def is_admin(principal: Principal) -> bool:
    """Return whether the principal may see the jobs of all users: scope admin on all projects."""
    return principal.scope is Scope.ADMIN and principal.project is None


def get_user(request: AuthenticatedRequest) -> str | None:
    """Return the user whose jobs the request may access; None for all users."""
    return None if is_admin(request.auth) else request.auth.name


def parse_statuses(texts: list[str] | None) -> frozenset[str] | None:
    """Parse status values, separated by commas; None without any. Raise 400 if a status is unknown."""
    words = {word.strip() for text in texts or () for word in text.split(",") if word.strip()}
    if not words:
        return None
    known = {status.value for status in JobStatus}
    if odd := sorted(words - known - {ACTIVE}):
        raise HttpProblem(
            400, f"there is no status {', '.join(odd)}", error="unknown_status", hint=f"there are {', '.join([*JobStatus, ACTIVE])}"
        )
    active = {status.value for status in JobStatus if status.is_active} if ACTIVE in words else set()
    return frozenset((words - {ACTIVE}) | active)


def build_response(answer: msgspec.Struct, status: int = 200) -> Response[bytes]:
    """Build a JSON response that must not be cached."""
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(answer), status_code=status, media_type="application/json", headers=headers)


def build_job_response(job: JobView, status: int = 200) -> Response[bytes]:
    """Build the response of one job."""
    return build_response(JobAnswer(job=job), status)


@get(
    "/api/cloud/jobs",
    summary="Jobs",
    opt=requires(Scope.READ),
    responses={200: ResponseSpec(JobList, description="Jobs"), **PROBLEM_RESPONSES},
)
async def listing(  # noqa: PLR0913 - a parameter each
    request: AuthenticatedRequest,
    jobs: Jobs,
    job_type: FromQuery[Literal["local", "cloud"] | None] = None,
    status: FromQuery[list[str] | None] = None,
    provider: FromQuery[str | None] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    sync_active: FromQuery[bool] = False,
    order: FromQuery[Literal["created", "-created"]] = "-created",
) -> Response[bytes]:
    """Return jobs by creation time, newest first by default.

    `status` may repeat, be a comma-separated list, or `active`.
    With `sync_active`, refresh all active jobs first, for at most 10 seconds; jobs that could not be refreshed say so in
    `sync_state`.
    """
    wanted = JobFilter(None if job_type is None else job_type == "local", parse_statuses(status), provider, get_user(request))
    with translate_job_errors():
        return build_response(
            await jobs.list_jobs(wanted, limit=limit, offset=offset, newest_first=order == "-created", sync_active=sync_active)
        )


@post(
    "/api/cloud/jobs/sync", status_code=200, summary="Look for jobs", opt=requires(Scope.WRITE),
    responses={200: ResponseSpec(SyncReport, description="What was found"), **PROBLEM_RESPONSES},
)  # fmt: skip
async def sync(request: AuthenticatedRequest, jobs: Jobs, receiver: StreamReceiver) -> Response[bytes]:
    """Refresh the known jobs of the providers, and add jobs that were submitted elsewhere."""
    only: SyncJobsRequest = parse_body(await read_body(request, receiver), SyncJobsRequest)
    with translate_job_errors("provider_not_found"):
        return build_response(await jobs.sync(only.provider))


@post(
    "/api/cloud/jobs/submit", status_code=202, summary="Start a job", opt=requires(Scope.WRITE),
    responses={202: ResponseSpec(JobAnswer, description="It is on record"), **PROBLEM_RESPONSES},
)  # fmt: skip
async def submit(
    request: AuthenticatedRequest, jobs: Jobs, receiver: StreamReceiver, provider: FromQuery[str] = "local"
) -> Response[bytes]:
    """Submit a job.

    A repeated request of a user with the same `idempotency_key` returns the job of the first.
    Provider `local` needs a token of scope admin, since its commands run on the server's machine as the server's user.
    """
    wanted: SubmitRequest = parse_body(await read_body(request, receiver), SubmitRequest)
    if provider == "local" and not is_admin(request.auth):
        raise forbidden_problem(request.auth, Scope.ADMIN, None)
    command = [*SHELL_COMMAND, wanted.command] if isinstance(wanted.command, str) and wanted.command else list(wanted.command)
    submission = Submission(
        provider=provider,
        request=JobRequest(command=command, inputs=wanted.inputs, env=wanted.env, webhook_url=wanted.webhook_url),
        user=request.auth.name or None,
        config_name=wanted.config_name,
        hardware_type=wanted.hardware_type,
        metadata={key: to_storable(value) for key, value in wanted.metadata.items()},
        key=wanted.idempotency_key,
    )
    with translate_job_errors("provider_not_found"):
        return build_job_response(await jobs.submit(submission), 202)


@get("/api/cloud/jobs/{id:str}", summary="One job", opt=requires(Scope.READ), responses=JOB_RESPONSES)
async def job(request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Return a job by id, or unique prefix of the id."""
    with translate_job_errors():
        return build_job_response(await jobs.get(id, get_user(request)))


@delete("/api/cloud/jobs/{id:str}", status_code=200, summary="Forget a job", opt=requires(Scope.WRITE), responses={
    200: ResponseSpec(JobAnswer, description="The job that was forgotten"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def forget(request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Delete a job that has ended. Later syncs do not discover the job again."""
    with translate_job_errors():
        found = await jobs.get(id, get_user(request))
        if found.is_active:
            raise HttpProblem(
                409, f"job {found.job_id} is {found.status}: cancel it first", error="job_is_active", state=found.status
            )
        await jobs.delete(found.job_id, get_user(request))
    return build_job_response(found)


@get(
    "/api/cloud/jobs/{id:str}/inline-progress", summary="How far a job is", opt=requires(Scope.READ),
    responses={200: ResponseSpec(Progress, description="What its latest lines say"), **PROBLEM_RESPONSES},
)  # fmt: skip
async def inline_progress(request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Return the stage, last line and percentage of a running job.

    For other jobs, all three are null, and the provider is not queried.
    """
    with translate_job_errors():
        return build_response(await jobs.get_progress(id, get_user(request)))


@get(
    "/api/cloud/jobs/{id:str}/logs", summary="What a job has written", opt=requires(Scope.READ),
    responses={200: ResponseSpec(JobLogs, description="All of it"), **PROBLEM_RESPONSES},
)  # fmt: skip
async def logs(request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Return the complete output of a job, including output that the provider has deleted since."""
    with translate_job_errors():
        return build_response(await jobs.read_logs(id, get_user(request)))


@get("/api/cloud/jobs/{id:str}/logs/stream", summary="What a job writes, as it comes", opt=requires(Scope.READ), responses={
    200: ResponseSpec(str, description="Server-sent events: a line each, then `done`", media_type="text/event-stream"),
    **PROBLEM_RESPONSES,
})  # fmt: skip
async def follow(
    request: AuthenticatedRequest, jobs: Jobs, hub: EventHub, log_stream_counts: Counter[str], id: FromPath[str]
) -> Stream:
    """Stream every line as an unnamed event, then an event `done` with the status.

    `Last-Event-ID` continues after that line. Raise 429 if the client's address has too many open streams.
    """
    with translate_job_errors():
        await jobs.get_row(id, get_user(request))
    address = find_client_address(request.scope, hub.trusted_proxies)
    if log_stream_counts[address] >= hub.max_streams_per_address:
        detail = f"{address} follows {hub.max_streams_per_address} logs already"
        raise HttpProblem(429, detail, error="too-many-connections", retry_after_seconds=RETRY_SECONDS)
    place = request.headers.get("last-event-id", "")
    lines = count_stream(log_stream_counts, address, iter_messages(jobs, hub, id, get_user(request), place))
    return Stream(lines, media_type="text/event-stream; charset=utf-8", headers=STREAM_HEADERS)


async def count_stream(counter: Counter[str], address: str, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the stream's messages, and count the stream while it is open."""
    counter[address] += 1
    try:
        async for message in stream:
            yield message
    finally:
        counter[address] -= 1
        if not counter[address]:
            del counter[address]


async def iter_messages(jobs: Jobs, hub: EventHub, id: str, user: str | None, last_event_id: str) -> AsyncIterator[bytes]:
    """Yield a job's output lines as server-sent events, with a heartbeat every 15 s."""
    events = jobs.follow_logs(id, user, last_event_id)
    coming = asyncio.ensure_future(anext(events, None))
    yield b": a line each, then done\n\n"
    try:
        while not hub.shutdown.is_set():
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_SECONDS)
            if not done:
                yield b": heartbeat\n\n"
                continue
            event = coming.result()
            if event is None:
                return
            if event.line is None:
                status = msgspec.json.encode({"status": event.status}).decode()
                yield f"event: done\nid: {event.position}\ndata: {status}\n\n".encode()
                return
            yield f"id: {event.position}\ndata: {event.line}\n\n".encode()
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        coming.cancel()


@post("/api/cloud/jobs/{id:str}/cancel", status_code=200, summary="End a job", opt=requires(Scope.WRITE), responses=JOB_RESPONSES)
async def cancel(request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str]) -> Response[bytes]:
    """Cancel a job. Return its status as reported by the provider: the job may have ended just before."""
    with translate_job_errors():
        found = await jobs.get(id, get_user(request))
        if found.is_terminal:
            raise HttpProblem(409, f"job {found.job_id} is {found.status} already", error="job_is_final", state=found.status)
        return build_job_response(await jobs.cancel(found.job_id, get_user(request)))


@post("/api/cloud/jobs/{id:str}/retry", status_code=202, summary="Try a job again", opt=requires(Scope.WRITE), responses={
    202: ResponseSpec(JobAnswer, description="A new attempt is on record"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def retry(
    request: AuthenticatedRequest, jobs: Jobs, id: FromPath[str], restart: FromQuery[str | None] = None
) -> Response[bytes]:
    """Start a new attempt at a job that has ended.

    `restart`: for a job in a queue, the output file of the last attempt to start from, such as CONTCAR.
    """
    with translate_job_errors():
        found = await jobs.get(id, get_user(request))
        if found.is_active:
            raise HttpProblem(
                409, f"job {found.job_id} is {found.status}: cancel it first", error="job_is_active", state=found.status
            )
        return build_job_response(await jobs.retry(found.job_id, get_user(request), restart=restart), 202)


@get("/api/cloud/metrics", summary="Counts and costs", opt=requires(Scope.READ), responses={
    200: ResponseSpec(JobMetrics, description="Counts by status, costs by provider"), **PROBLEM_RESPONSES,
})  # fmt: skip
async def metrics(request: AuthenticatedRequest, jobs: Jobs) -> Response[bytes]:
    """Return the number of jobs per status, and their costs."""
    return build_response(await jobs.get_metrics(get_user(request)))


JOB_ROUTES = [listing, sync, submit, job, forget, inline_progress, logs, follow, cancel, retry, metrics]
