"""Look up a run to resume on a server: once, before the run begins."""

import http.client
from urllib.parse import quote

import msgspec

from tasuki.clock import SYSTEM_CLOCK
from tasuki.errors import RemoteUnavailable
from tasuki.records import ResumableRun
from tasuki.relay.http_responses import HttpResponse, build_remote_error
from tasuki.relay.http_transport import HttpTransport, Token, build_authorization

__all__ = ["fetch_resumable_run"]

LOOKUP_TIMEOUT_SECONDS = 2.0
decode = msgspec.json.Decoder(ResumableRun).decode


def fetch_resumable_run(remote: str, key: Token, project: str, ref: str) -> ResumableRun | None:
    """Return the run of this id, or of the only id with this prefix; None if there is none.

    Raise RemoteError within seconds if the server cannot be asked.
    """
    transport = HttpTransport(remote, token=key, timeout_seconds=LOOKUP_TIMEOUT_SECONDS)
    path = f"{transport.url.path.rstrip('/')}/api/v1/runs/{quote(ref, safe='')}/resume?project={quote(project, safe='')}"
    try:
        connection = transport.open_connection()
        connection.request("GET", path, headers=build_authorization(key))
        response = connection.getresponse()
        answer = HttpResponse(response.status, response.read(), response.getheader("Retry-After"), response.getheader("Location"))
        if answer.status == http.client.NOT_FOUND and response.getheader("Tasuki-Protocol"):
            return None
    except (OSError, http.client.HTTPException) as error:
        raise RemoteUnavailable(
            f"{transport.display_url} can't be asked about run {ref!r}: {str(error) or type(error).__name__}"
        ) from error
    finally:
        transport.close()
    if answer.status != http.client.OK:
        raise build_remote_error(transport.display_url, answer, SYSTEM_CLOCK.now_us())
    try:
        return decode(answer.content)
    except msgspec.DecodeError as error:
        raise RemoteUnavailable(f"{transport.display_url} answered something else than tasuki does: {error}") from error
