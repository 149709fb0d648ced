"""Shared by the job and provider routes: decode bodies, and translate errors into problem documents."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.datastructures import ResponseSpec

from tasuki.errors import ConfigError, Conflict, NotFound, RemoteRejected
from tasuki.server.auth.principal import Principal
from tasuki.server.http.body_limits import MAX_JSON_BYTES
from tasuki.server.http.problems import HttpProblem, Problem
from tasuki.server.workers.receiver import StreamReceiver

__all__ = ["PROBLEM_RESPONSES", "AuthenticatedRequest", "parse_body", "read_body", "translate_job_errors"]

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_RESPONSES = {
    400: ResponseSpec(Problem, description="A parameter or the body is wrong", media_type=PROBLEM_MEDIA_TYPE),
    404: ResponseSpec(Problem, description="There is no such job or provider", media_type=PROBLEM_MEDIA_TYPE),
    409: ResponseSpec(Problem, description="The job is not in a state for that, which it says", media_type=PROBLEM_MEDIA_TYPE),
    413: ResponseSpec(Problem, description="Too large", media_type=PROBLEM_MEDIA_TYPE),
    503: ResponseSpec(Problem, description="The provider can't be asked now", media_type=PROBLEM_MEDIA_TYPE),
}
AuthenticatedRequest = Request[Any, Principal, Any]


@contextmanager
def translate_job_errors(not_found_code: str = "job_not_found") -> Iterator[None]:
    """Translate errors of jobs into problems with stable error codes."""
    try:
        yield
    except NotFound as error:
        raise HttpProblem(404, error.message, error=not_found_code) from error
    except Conflict as error:
        raise HttpProblem(409, error.message, hint=error.hint) from error
    except ConfigError as error:
        raise HttpProblem(400, error.message, error="bad_request", hint=error.hint) from error
    except RemoteRejected as error:
        raise HttpProblem(503, error.message, error="provider_refused", hint=error.hint) from error


async def read_body(request: AuthenticatedRequest, receiver: StreamReceiver, limit_bytes: int = MAX_JSON_BYTES) -> bytes:
    """Read the body. Raise 413 if it is too large."""
    async with receiver.body_reader.read(request, limit_bytes) as body:
        return body


def parse_body(body: bytes, kind: Any) -> Any:
    """Decode a JSON body; an empty one counts as {}. Raise 400 if it does not match `kind`."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpProblem(
            400, f"the body is not what was expected: {error}", error="bad_request", hint="docs/api.md, Jobs"
        ) from error
