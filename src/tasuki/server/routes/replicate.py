"""`POST /api/v1/replicate`: receive stream items and return their positions."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from tasuki.records import ReplicateRequest, ReplicateResponse
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.auth.rate_limits import MIN_SEND_INTERVAL_MS
from tasuki.server.http.body_limits import MAX_BODY_BYTES, MAX_JSON_BYTES
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.workers.receiver import SMALL_BYTES, StreamReceiver

__all__ = ["replicate"]

MSGPACK = "application/msgpack"
JSON = "application/json"


@post("/api/v1/replicate", status_code=200, summary="Store pieces of streams", opt=requires(Scope.LOG), responses={
    200: ResponseSpec(ReplicateResponse, description="A reply per item"),
    400: ResponseSpec(Problem, description="Not a request", media_type="application/problem+json"),
    413: ResponseSpec(Problem, description="Too large", media_type="application/problem+json"),
    429: ResponseSpec(Problem, description="Wait for Retry-After", media_type="application/problem+json"),
})  # fmt: skip
async def replicate(request: Request[Any, Any, Any], receiver: StreamReceiver) -> Response[bytes]:
    """Append items whose position equals the server's position of the stream.

    A `stored` item is on the disk.
    """
    kind, _ = request.content_type
    binary = kind in (MSGPACK, "application/x-msgpack")
    principal: Principal = request.auth
    receiver.bandwidth_limit.check(principal.name)
    async with receiver.body_reader.read(request, MAX_BODY_BYTES if binary else MAX_JSON_BYTES) as body:
        after_ms = receiver.bandwidth_limit.spend(principal.name, len(body)) if principal.token_id else MIN_SEND_INTERVAL_MS
        asked = await parse_replicate_request(body, binary=binary)
        answer = await receiver.handle(asked, principal)
    answer = msgspec.structs.replace(answer, next_after_ms=after_ms if asked.items else 0)
    accepted = request.headers.get("accept", "")
    if MSGPACK in accepted or (binary and JSON not in accepted):
        return Response(msgspec.msgpack.encode(answer), media_type=MSGPACK)
    return Response(msgspec.json.encode(answer), media_type=JSON)


async def parse_replicate_request(body: bytes, *, binary: bool) -> ReplicateRequest:
    """Decode a replicate request; a large one in a thread, to keep the event loop free.

    Raise 400 if it is malformed.
    """
    decode = decode_msgpack if binary else decode_json
    try:
        return decode(body) if len(body) < SMALL_BYTES else await asyncio.to_thread(decode, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        status = 413 if "length <=" in str(error) else 400
        raise HttpProblem(status, f"not a replicate request: {error}", hint="docs/api.md, Sending") from error


decode_msgpack = msgspec.msgpack.Decoder(ReplicateRequest).decode
decode_json = msgspec.json.Decoder(ReplicateRequest).decode
