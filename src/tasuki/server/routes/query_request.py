"""Common handling of query requests: wait for the projection, ETag and 304, pages and cursors."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from tasuki.client.binary_body import MEDIA_TYPE
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.http.schemas import (
    encode_json,
)
from tasuki.server.workers.reader_pool import ProjectionState, ReaderPool
from tasuki.store import Queries

__all__ = [
    "INT64",
    "Cursor",
    "LargeLimit",
    "Limit",
    "Page",
    "Project",
    "QueryRequest",
    "build_cursor",
    "describe_responses",
    "paginate",
    "parse_cursor",
    "provide_query_request",
]

JSON = "application/json"

T = TypeVar("T")
Row = TypeVar("Row")


class TaggedBody(NamedTuple):
    """A response body and its ETag; the body is None if the client has it already."""

    tag: str
    body: bytes | None


class QueryRequest:
    """A request that runs a query: its conditional headers, accepted media type, and `after` position."""

    def __init__(self, request: Request[Any, Any, Any], readers: ReaderPool, after: tuple[str, int] | None) -> None:
        self.readers = readers
        self.after = after
        self.accepts_frame = MEDIA_TYPE in request.headers.get("accept", "")
        known = request.headers.get("if-none-match", "")
        self.cached_tags = {tag.strip().removeprefix("W/").strip('"') for tag in known.split(",")}

    async def answer(self, query: Callable[[Queries, ProjectionState], msgspec.Struct]) -> Response[bytes]:
        """Run the query, and respond with JSON and a content-based ETag.

        For small results, including those that may change without a change event.
        """

        def build_body(queries: Queries, state: ProjectionState) -> TaggedBody:
            body = encode_json(query(queries, state))
            tag = hashlib.blake2b(body, digest_size=12).hexdigest()
            return TaggedBody(tag, None if tag in self.cached_tags else body)

        return self.build_response((await self.readers.run_query(build_body, self.after)).value, JSON)

    async def answer_large(self, query: Callable[[Queries, ProjectionState], bytes]) -> Response[bytes]:
        """Run the query, and respond with its bytes and an ETag of the projection state.

        For large results: if the client has the current state already, the query is not run at all.
        """

        def build_body(queries: Queries, state: ProjectionState) -> TaggedBody:
            tag = f"{state.tag}-f" if self.accepts_frame else state.tag
            return TaggedBody(tag, None if tag in self.cached_tags else query(queries, state))

        return self.build_response(
            (await self.readers.run_query(build_body, self.after)).value, MEDIA_TYPE if self.accepts_frame else JSON
        )

    def build_response(self, tagged_body: TaggedBody, media_type: str) -> Response[bytes]:
        """Build the HTTP response, 304 without body if the client has it already."""
        headers = {"ETag": f'"{tagged_body.tag}"', "Cache-Control": "no-cache", "Vary": "Accept"}
        if tagged_body.body is None:
            return Response(b"", status_code=304, headers=headers, media_type=media_type)
        return Response(tagged_body.body, headers=headers, media_type=media_type)


async def provide_query_request(
    request: Request[Any, Any, Any], readers: ReaderPool, after: FromQuery[str | None] = None
) -> QueryRequest:
    """Provide the QueryRequest of a route.

    `after=writer:offset` waits until that much of a stream is projected.
    """
    return QueryRequest(request, readers, None if after is None else parse_after(after))


def parse_after(text: str) -> tuple[str, int]:
    """Parse `writer:offset`. Raise 400 if it is malformed."""
    writer, _, offset = text.partition(":")
    if not writer or not (offset.isascii() and offset.isdigit() and len(offset) < 19):
        raise HttpProblem(400, f"after={text!r} is not writer:offset")
    return writer, int(offset)


class Page(NamedTuple):
    """Rows of one page, and the cursor of the next page (None on the last page)."""

    rows: list[Any]
    next: str | None


def paginate(items: Sequence[Row], key: Callable[[Row], Any], limit: int, cursor: str | None) -> Page:
    """Return at most `limit` rows after the cursor's row. Raise 400 if that row is no longer in the list."""
    start = 0
    if cursor is not None:
        behind = parse_cursor(cursor, Any)
        start = next((place for place, row in enumerate(items, 1) if key(row) == behind), 0)
        if not start:
            raise HttpProblem(400, "the cursor's row is not in the list any more", hint="begin anew, without cursor=")
    rows = list(items[start : start + limit])
    return Page(rows, build_cursor(key(rows[-1])) if start + limit < len(items) else None)


def build_cursor(key: object) -> str:
    """Encode a row's key as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def parse_cursor(text: str, kind: Any) -> Any:
    """Decode the key in a cursor. Raise 400 if it is malformed."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (ValueError, msgspec.DecodeError) as error:
        raise HttpProblem(400, f"cursor={text!r} can't be read", hint="it is `next` of the page before") from error


Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most rows of a page")]
LargeLimit = Annotated[int, QueryParameter(ge=1, le=100_000, description="The most rows of a page")]
Cursor = Annotated[str | None, QueryParameter(description="`next` of the page before")]
Project = FromQuery[str]
INT64 = {"ge": -(2**63), "le": 2**63 - 1}


def describe_responses(kind: Any, *media_types: str) -> dict[int, ResponseSpec]:
    """Return the OpenAPI response specifications of a query route."""
    problem = "application/problem+json"
    return {
        200: ResponseSpec(kind, description="The answer", media_type=media_types[0] if media_types else "application/json"),
        304: ResponseSpec(None, description="It is what If-None-Match names"),
        400: ResponseSpec(Problem, description="A parameter is wrong", media_type=problem),
        404: ResponseSpec(Problem, description="There is no such project, run or metric", media_type=problem),
    }
