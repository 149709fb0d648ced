"""`POST /api/v1/runs/{id}/stop`: asking a run to stop. The request is a record, and reaches the run's process on its next word."""

import secrets
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from tasuki.clock import SYSTEM
from tasuki.records import START, Item, StopRequested, encode, frame, pack_item
from tasuki.server.auth.guards import needs
from tasuki.server.auth.tokens import Principal, Scope
from tasuki.server.http.body_limits import MAX_JSON_BYTES
from tasuki.server.http.problems import Problem, Refusal
from tasuki.server.http.schemas import RunAnswer, encoded
from tasuki.server.routes.projects import Project, run_answer
from tasuki.server.workers.group_commit import Committer
from tasuki.server.workers.reader_pool import Readers
from tasuki.server.workers.receiver import Receiver
from tasuki.store import StopWord, later

__all__ = ["STOPPING", "Asked"]

Words = Annotated[str, msgspec.Meta(max_length=10_000)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
PROBLEM = "application/problem+json"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Why, and who asks: a token's name counts for more."""

    reason: Words | None = None
    by: Name | None = None


decode = msgspec.json.Decoder(Asked).decode


@post("/api/v1/runs/{id:str}/stop", status_code=200, summary="Ask a run to stop", opt=needs(Scope.WRITE), responses={
    200: ResponseSpec(RunAnswer, description="It was asked, now or before: `stop` says when, why and by whom"),
    400: ResponseSpec(Problem, description="Not a request", media_type=PROBLEM),
    404: ResponseSpec(Problem, description="There is no such project or run", media_type=PROBLEM),
    409: ResponseSpec(Problem, description="The run is over", media_type=PROBLEM),
})  # fmt: skip
async def stop(
    request: Request[Any, Principal, Any], receiver: Receiver, readers: Readers, id: FromPath[str], project: Project
) -> Response[bytes]:
    """Ask the latest attempt at a run to stop, with `{"reason", "by"}` or nothing. What is answered is on the disk.

    The process sees it within two seconds, or when it is heard of again. The first request for an attempt stands.
    """
    async with receiver.bodies.read(request, MAX_JSON_BYTES) as body:
        asked = parsed(body)
    row = (await readers.ask(lambda questions, _: questions.going_on(project, id))).value
    if row.stop is None and row.attempt_id is not None:
        by = request.auth.name or asked.by
        record = StopRequested(time=later(row, SYSTEM), attempt=row.attempt_id, reason=asked.reason or None, by=by)
        await append_edit(receiver.committer, project, row.id, encode(record))
        receiver.mailbox.put([StopWord(project, row.id, record.attempt, record.reason, record.by)])
    answer = await readers.ask(lambda questions, reached: run_answer(questions.run(project, row.id), reached))
    return Response(encoded(answer.value), media_type="application/json")


def parsed(body: bytes) -> Asked:
    """The request in a body. Refusal (400) for what is none."""
    try:
        return decode(body) if body.strip() else Asked()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"not a request to stop: {error}", hint='{"reason": "diverges"}, or no body') from error


async def append_edit(committer: Committer, project: str, run: str, payload: bytes) -> None:
    """Put a record about a run on the disk, in a stream of its own that ends with it."""
    writer = secrets.token_hex(16)
    data = pack_item(frame(payload))
    await committer.append([Item(project=project, run=run, writer=writer, **START._asdict(), sealed=True, data=data)])


STOPPING = [stop]
