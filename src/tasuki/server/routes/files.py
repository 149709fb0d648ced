"""`GET /api/v1/files…`: list files of projects and runs, and serve their contents safely for browsers."""

import mimetypes
import re
from typing import Any, Literal
from urllib.parse import quote

from litestar import Response, get
from litestar.datastructures import ETag
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery
from litestar.response import File

from tasuki.blobs import blob_path
from tasuki.errors import NotFound
from tasuki.records import FileRow
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Scope
from tasuki.server.http.problems import Problem
from tasuki.server.http.schemas import FileList
from tasuki.server.routes.query_request import Cursor, Limit, Project, QueryRequest, describe_responses, paginate
from tasuki.server.workers.reader_pool import ProjectionState, ReaderPool
from tasuki.store import FileContent, Queries

__all__ = ["FILE_ROUTES"]

Order = FromQuery[Literal["created", "-created"]]
INLINE_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "video/webm", "audio/mpeg", "audio/wav"}
)
"""What a browser shows in the page's own place; anything else is a download without a type that it could run."""
DOWNLOAD_TYPE = "application/octet-stream"
UNSAFE_CHARACTERS = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')
SANDBOX_POLICY = "default-src 'none'; sandbox"
PROBLEM_MEDIA_TYPE = "application/problem+json"


@get("/api/v1/files", summary="The files of a project", opt=requires(Scope.READ), responses=describe_responses(FileList))
async def files(  # noqa: PLR0913 - each is a parameter of the URL
    query_request: QueryRequest,
    project: Project,
    run: FromQuery[str | None] = None,
    search: FromQuery[str | None] = None,
    order: Order = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the files of a project in order of arrival, or newest first.

    `run`: only files of this run (empty: only files of no run).
    `search`: only files with this text in name, key, caption or run name, ignoring case.
    """

    def query(queries: Queries, state: ProjectionState) -> FileList:
        found = queries.files(project, queries.run_id(project, run) if run else run)
        return build_file_list([row for row in found if search is None or matches_search(row, search)], state, order, limit, cursor)

    return await query_request.answer(query)


def matches_search(row: FileRow, search: str) -> bool:
    """Return whether a file's name, key, caption or run name contains the text, ignoring case."""
    return search.casefold() in "\n".join(filter(None, (row.name, row.key, row.caption, row.run_name))).casefold()


def build_file_list(rows: list[FileRow], state: ProjectionState, order: str, limit: int, cursor: str | None) -> FileList:
    """Build one page of files."""
    page = paginate(rows[::-1] if order == "-created" else rows, lambda row: row.id, limit, cursor)
    return FileList(files=page.rows, next=page.next, total=len(rows), missing=state.missing)


@get("/api/v1/runs/{id:str}/files", summary="The files of a run", opt=requires(Scope.READ), responses=describe_responses(FileList))
async def run_files(
    query_request: QueryRequest,
    id: FromPath[str],
    project: Project,
    order: Order = "created",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the files of a run, including logged values that are not numbers."""

    def query(queries: Queries, state: ProjectionState) -> FileList:
        return build_file_list(queries.files(project, queries.run_id(project, id)), state, order, limit, cursor)

    return await query_request.answer(query)


@get("/api/v1/files/{sha256:str}", summary="A file's content", opt=requires(Scope.READ), responses={
    200: ResponseSpec(None, description="The content", media_type=DOWNLOAD_TYPE),
    400: ResponseSpec(Problem, description="That is no sha256", media_type=PROBLEM_MEDIA_TYPE),
    404: ResponseSpec(Problem, description="No such file, or its content is not on this server", media_type=PROBLEM_MEDIA_TYPE),
})  # fmt: skip
async def content(readers: ReaderPool, sha256: FromPath[str], project: Project, run: FromQuery[str] = "") -> Response[Any]:
    """Return the content of a file of a run (without `run`: of the project itself), as a download.

    Images, audio and video have their own media type and are displayed by browsers.
    """
    path = blob_path(readers.settings.dir, sha256)

    def query(queries: Queries, _: ProjectionState) -> FileContent:
        return queries.file_content(project, run, sha256)

    found = (await readers.run_query(query)).value
    media_type = found.media_type if found.media_type in INLINE_TYPES else DOWNLOAD_TYPE
    if found.content is not None:
        etag = {"etag": f'"{sha256}"'}
        return Response(found.content.encode(), headers=build_headers(found) | etag, media_type=media_type)
    if not path.is_file():
        raise NotFound(f"the content of {found.name!r} is not on this server", hint="it is where the run was made")
    return File(path, headers=build_headers(found), media_type=media_type, etag=ETag(value=sha256))


def build_headers(file: FileContent) -> dict[str, str]:
    """Return headers that keep a browser from running the content as a page of this server."""
    how = "inline" if file.media_type in INLINE_TYPES else "attachment"
    return {
        "content-disposition": f"{how}; filename*=UTF-8''{quote(build_download_name(file), safe='')}",
        "content-security-policy": SANDBOX_POLICY,
        "cache-control": "private, max-age=31536000, immutable",
    }


def build_download_name(file: FileContent) -> str:
    """Return the file name of a download: the last part of the name, with an extension for its media type."""
    name = UNSAFE_CHARACTERS.sub("_", file.name.rpartition("/")[2]).strip(". ") or "file"
    ending = mimetypes.guess_extension(file.media_type or "") or ""
    return name[-200:] if "." in name else f"{name[-200:]}{ending}"


FILE_ROUTES = [files, run_files, content]
