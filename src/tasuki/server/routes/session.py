"""`/api/v1/session`: identity of the token, and the session cookie of the web page.

The page needs a cookie because browsers cannot send headers with an event stream.
"""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.openapi.datastructures import ResponseSpec

from tasuki.server.auth.guards import ANY_TOKEN, TokenAuthenticator, parse_bearer_token, requires
from tasuki.server.auth.principal import Principal, Scope

__all__ = ["SESSION_ROUTES"]

PATH = "/api/v1/session"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Owner name, scope and project of a token; `project` is null for all projects."""

    name: str
    scope: Scope
    project: str | None


def build_session(principal: Principal) -> Session:
    """Return the public fields of a principal."""
    return Session(name=principal.name, scope=principal.scope, project=principal.project)


@get(PATH, summary="Whose token it is", opt=requires(ANY_TOKEN))
async def session(request: Request[Any, Any, Any]) -> Session:
    """Return the name, scope and project of the request's token."""
    return build_session(request.auth)


@post(
    PATH,
    status_code=200,
    summary="Log the page in",
    opt=requires(ANY_TOKEN),
    responses={200: ResponseSpec(Session, description="Logged in")},
)
async def log_in(request: Request[Any, Any, Any], authenticator: TokenAuthenticator) -> Response[Session]:
    """Store the token of the header `Authorization` in a session cookie.

    Scripts cannot read the cookie (HttpOnly), and other sites cannot send it (SameSite=Strict).
    """
    token = parse_bearer_token(request.scope)
    secure = request.headers.get("origin", "").startswith("https://")
    cookies = [Cookie(authenticator.cookie_name, value=token, httponly=True, samesite="strict", secure=secure)] if token else []
    return Response(build_session(request.auth), cookies=cookies)


@delete(PATH, status_code=200, summary="Log the page out", opt=requires(ANY_TOKEN))
async def log_out(request: Request[Any, Any, Any], authenticator: TokenAuthenticator) -> Response[Session]:
    """Delete the session cookie."""
    return Response(
        build_session(request.auth),
        cookies=[Cookie(authenticator.cookie_name, value="", max_age=0, httponly=True, samesite="strict")],
    )


SESSION_ROUTES = [session, log_in, log_out]
