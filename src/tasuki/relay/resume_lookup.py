"""Look up a run to resume on a server: once, before the run begins."""

import http.client
from urllib.parse import quote

import msgspec

from tasuki.clock import SYSTEM
from tasuki.errors import RemoteUnavailable
from tasuki.records import ResumableRun
from tasuki.relay.http_responses import HttpResponse, error_from_answer
from tasuki.relay.http_transport import HttpTransport, Token, authorization

__all__ = ["known_run"]

PATIENCE_SECONDS = 2.0
decode = msgspec.json.Decoder(ResumableRun).decode


def known_run(remote: str, key: Token, project: str, ref: str) -> ResumableRun | None:
    """Return the run of this id, or of the only id with this prefix; None if there is none.

    Raise RemoteError within seconds if the server cannot be asked.
    """
    transport = HttpTransport(remote, token=key, timeout_seconds=PATIENCE_SECONDS)
    path = f"{transport.url.path.rstrip('/')}/api/v1/runs/{quote(ref, safe='')}/resume?project={quote(project, safe='')}"
    try:
        connection = transport.connected()
        connection.request("GET", path, headers=authorization(key))
        response = connection.getresponse()
        answer = HttpResponse(response.status, response.read(), response.getheader("Retry-After"), response.getheader("Location"))
        if answer.status == http.client.NOT_FOUND and response.getheader("Tasuki-Protocol"):
            return None
    except (OSError, http.client.HTTPException) as error:
        raise RemoteUnavailable(
            f"{transport.shown} can't be asked about run {ref!r}: {str(error) or type(error).__name__}"
        ) from error
    finally:
        transport.close()
    if answer.status != http.client.OK:
        raise error_from_answer(transport.shown, answer, SYSTEM.now_us())
    try:
        return decode(answer.content)
    except msgspec.DecodeError as error:
        raise RemoteUnavailable(f"{transport.shown} answered something else than tasuki does: {error}") from error
