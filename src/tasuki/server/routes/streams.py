"""List received streams, for `tasuki verify --remote`, and purge them.

Routes: `GET /api/v1/streams`, `POST /api/v1/purge`.
"""

from contextlib import closing
from typing import Any

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery

from tasuki.journal import Stream
from tasuki.server.auth.guards import requires
from tasuki.server.auth.principal import Scope
from tasuki.server.http.schemas import PurgeResponse, StreamList, StreamRow
from tasuki.server.routes.query_request import Cursor, Limit, Project, QueryRequest, describe_responses, paginate
from tasuki.server.workers.reader_pool import ProjectionState, ReaderPool
from tasuki.server.workers.receiver import StreamReceiver
from tasuki.server.workers.server_journal import ServerJournal
from tasuki.store import Queries, RawStore

__all__ = ["STREAM_ROUTES"]


@get("/api/v1/streams", summary="The streams received", opt=requires(Scope.READ), responses=describe_responses(StreamList))
async def streams(
    query_request: QueryRequest,
    receiver: StreamReceiver,
    project: Project,
    digest: FromQuery[bool] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return the received streams of a project with their positions.

    With `digest=1`, read and hash the stored data.
    """

    def query(_: Queries, state: ProjectionState) -> StreamList:
        with closing(RawStore(receiver.raw_path)) as store:
            found = store.project_streams(project)
            page = paginate(found, lambda stream: stream.writer, limit, cursor)
            rows = [build_stream_row(store, stream, digest=digest) for stream in page.rows]
        return StreamList(streams=rows, next=page.next, total=len(found), missing=state.missing)

    return await query_request.answer(query)


def build_stream_row(store: RawStore, stream: Stream, *, digest: bool) -> StreamRow:
    """Build the row of a stream. With a digest, the position and sha256 are of the readable part."""
    position = store.positions([stream.writer])[stream.writer]
    given: dict[str, Any] = {"writer": stream.writer, "run": stream.run, "sealed": stream.is_sealed}
    if not digest:
        return StreamRow(**given, offset=position.offset, crc=position.crc)
    read, sha256 = store.compute_digest(stream.writer)
    return StreamRow(**given, offset=read.offset, crc=read.crc, sha256=sha256, damaged=read != position)


@post(
    "/api/v1/purge",
    status_code=200,
    summary="Drop a run's streams",
    opt=requires(Scope.WRITE),
    responses={200: ResponseSpec(PurgeResponse, description="Dropped")},
)
async def purge(
    receiver: StreamReceiver, readers: ReaderPool, server_journal: ServerJournal, project: Project, run: FromQuery[str]
) -> PurgeResponse:
    """Delete the streams of a run permanently.

    Tombstones remain: data sent again is answered `stored` and discarded.
    """
    streams = await receiver.committer.purge(project, run)
    if not run:
        server_journal.forget(project)
    await readers.run_in_thread(readers.forget, project, run)
    return PurgeResponse(streams=streams)


STREAM_ROUTES = [streams, purge]
