"""Authentication and authorization.

Deny by default: a route without a declared requirement needs scope admin.
A route declares its requirement in `opt`: a scope, checked for each project that the request names; any valid token; or
nothing. A server without tokens listens on loopback only, and every request that reaches it has scope admin.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Any

import apsw
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope

from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.auth.tokens import Tokens
from tasuki.server.http.problems import HttpProblem

__all__ = [
    "ANY_TOKEN",
    "PUBLIC",
    "TokenAuthenticator",
    "authorize",
    "forbidden_problem",
    "get_header",
    "parse_bearer_token",
    "requires",
]

ANONYMOUS_ADMIN = Principal("", "", Scope.ADMIN, None)
"""Whoever can reach a server without tokens."""
ANY_TOKEN = "any token"
PUBLIC = "nothing"
REQUIREMENT_KEY = "needs"
BEARER_PREFIX = "bearer "
TRACKIO_TOKEN_HEADER = b"x-trackio-write-token"
"""Where trackio's client shows its token."""


def requires(requirement: Scope | str) -> dict[str, Any]:
    """Return the `opt` of a route that requires a scope, `ANY_TOKEN` or `PUBLIC`."""
    return {REQUIREMENT_KEY: requirement}


class TokenAuthenticator:
    """Authenticates requests by their token. For the event loop only.

    `loopback`: the server listens on a loopback address, which allows anonymous requests until a token exists.
    """

    def __init__(self, tokens: Tokens, cookie_name: str, *, loopback: bool) -> None:
        self.tokens = tokens
        self.cookie_name = cookie_name
        self.loopback = loopback

    @property
    def allows_anonymous(self) -> bool:
        """Return whether requests need no token: none was ever created, and the server listens on loopback."""
        return self.loopback and not self.tokens.has_any()

    def authenticate(self, scope: HTTPScope) -> Principal | None:
        """Return the principal of a request, or None without a valid token.

        Raise 503 if the tokens cannot be read.
        """
        try:
            if self.allows_anonymous:
                return ANONYMOUS_ADMIN
            token = parse_bearer_token(scope) or get_header(scope, TRACKIO_TOKEN_HEADER).strip() or self.find_cookie_token(scope)
            return self.tokens.authenticate(token) if token else None
        except apsw.Error as error:
            raise HttpProblem(503, "the server's tokens can't be read", hint="its log has more") from error

    def is_valid(self, principal: Principal) -> bool:
        """Return whether a principal that was authenticated before is still valid."""
        return self.allows_anonymous if principal is ANONYMOUS_ADMIN else self.tokens.is_valid(principal)

    def find_cookie_token(self, scope: HTTPScope) -> str | None:
        """Return the token in the session cookie of the web page."""
        try:
            cookies = SimpleCookie(get_header(scope, b"cookie"))
        except CookieError:
            return None
        return cookies[self.cookie_name].value if self.cookie_name in cookies else None


def get_header(scope: HTTPScope, name: bytes) -> str:
    """Return the value of a request header, or "" if it is missing. `name` is lower case."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


def parse_bearer_token(scope: HTTPScope) -> str | None:
    """Return the bearer token in the `Authorization` header."""
    value = get_header(scope, b"authorization")
    return value[len(BEARER_PREFIX) :].strip() if value.lower().startswith(BEARER_PREFIX) else None


def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard every route. Raise 401 without a valid token, 403 if the token lacks the required scope."""
    needed = handler.opt.get(REQUIREMENT_KEY, Scope.ADMIN)
    principal: Principal | None = connection.scope.get("auth")
    if needed == PUBLIC:
        return
    if principal is None:
        given = "authorization" in connection.headers
        raise HttpProblem(
            401,
            "the token is mistyped, revoked or has expired" if given else "this server needs a token",
            hint="on the server: tasuki token create; here: TASUKI_TOKEN, or tasuki remote add NAME URL --token -",
        )
    if needed != ANY_TOKEN:
        for project in requested_projects(connection):
            if not principal.has_scope(needed, project):
                raise forbidden_problem(principal, needed, project)


def requested_projects(connection: ASGIConnection[Any, Any, Any, Any]) -> list[str | None]:
    """Return the projects that a request names, in `project` or `brain`; [None] if it names none."""
    return [name for key in ("project", "brain") for name in connection.query_params.getall(key, [])] or [None]


def forbidden_problem(principal: Principal, scope: Scope, project: str | None) -> HttpProblem:
    """Build the 403 problem for a token without the scope. It does not reveal whether the project exists."""
    its = "all projects" if principal.project is None else f"project {principal.project!r}"
    wanted = "" if project is None else f" on {project!r}"
    what = {Scope.READ: "--read", Scope.LOG: "--log", Scope.WRITE: "--write", Scope.ADMIN: "--admin"}[scope]
    hint = f"on the server: tasuki token create {what}{'' if project is None else f' {project}'}"
    return HttpProblem(403, f"this token is for {principal.scope!s} on {its}; that needs {scope!s}{wanted}", hint=hint)
