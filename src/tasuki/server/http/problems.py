"""Problem documents (RFC 9457): the response format of every error."""

import logging
from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Send

from tasuki.errors import ConfigError, Conflict, NotFound, RemoteUnavailable, StoreCorrupt, TasukiError

__all__ = ["PROBLEM_MEDIA_TYPE", "HttpProblem", "Problem", "problem_from", "send_problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"
ERROR_CODES = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    413: "too-large",
    421: "bad-host",
    422: "unprocessable",
    426: "other-protocol",
    429: "busy",
    503: "unavailable",
}
"""The stable word for a status, where nothing more is known."""
STATUS_BY_ERROR: dict[type[TasukiError], int] = {
    NotFound: 404,
    ConfigError: 400,
    Conflict: 409,
    StoreCorrupt: 503,
    RemoteUnavailable: 503,
}
log = logging.getLogger("tasuki.server")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document. `error` is a stable code, `hint` says how to fix the problem."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    error: str
    hint: str | None = None


class StateProblem(Problem, frozen=True, kw_only=True):
    """A problem caused by the state of the requested object; `state` names that state."""

    state: str


class HttpProblem(Exception):
    """An error with an HTTP status.

    `error`: stable code (default: the code of the status). `state`: state of the requested object, if that is the cause.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        error: str | None = None,
        hint: str | None = None,
        retry_after_seconds: int | None = None,
        state: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.error = error or ERROR_CODES[status]
        self.hint = hint
        self.retry_after_seconds = retry_after_seconds
        self.state = state


def problem_from(error: Exception) -> tuple[Problem, dict[str, str]]:
    """Return the problem document for an error, and its headers.

    Log errors that are none of the known types.
    """
    match error:
        case HttpProblem():
            problem = build_problem(error.status, error.detail, error.error, error.hint)
            if error.state is not None:
                problem = StateProblem(**msgspec.structs.asdict(problem), state=error.state)
            headers = {} if error.retry_after_seconds is None else {"Retry-After": str(error.retry_after_seconds)}
            return problem, headers | ({"WWW-Authenticate": "Bearer"} if error.status == 401 else {})
        case TasukiError():
            status = next((status for kind, status in STATUS_BY_ERROR.items() if isinstance(error, kind)), 500)
            return build_problem(status, error.message, ERROR_CODES.get(status, "internal"), error.hint), {}
        case ValidationException():
            return build_problem(400, build_validation_detail(error), ERROR_CODES[400], "docs/api.md lists the parameters"), {}
        case HTTPException():
            return build_problem(error.status_code, error.detail, ERROR_CODES.get(error.status_code, "bad-request"), None), dict(
                error.headers or {}
            )
    log.error("a request failed", exc_info=error)
    return build_problem(500, "the server made an error; its log has more", "internal", None), {}


def build_problem(status: int, detail: str, error: str, hint: str | None) -> Problem:
    """Build a problem document; the title is the phrase of the HTTP status."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, error=error, hint=hint)


def build_validation_detail(error: ValidationException) -> str:
    """Return the name and the error of each invalid parameter."""
    extra = error.extra if isinstance(error.extra, list) else []
    said = [f"{one.get('key', '?')}: {one.get('message', '?')}" for one in extra if isinstance(one, dict)]
    return "; ".join(said) or error.detail


async def send_problem(send: Send, error: Exception) -> None:
    """Send the problem document of an error as an ASGI response."""
    problem, headers = problem_from(error)
    pairs = [(b"content-type", PROBLEM_MEDIA_TYPE.encode())]
    pairs += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False})
