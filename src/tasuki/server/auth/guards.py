"""The gate: whose token a request carries, and whether a route is theirs. Every route passes here; what says nothing is closed.

A route says in its `opt` what it needs: a scope, which counts for each project that the request names; any token at all; or
nothing. Without tokens a server serves its own machine alone, and whoever can reach it may do everything.
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

__all__ = ["ANY_TOKEN", "NOTHING", "TokenAuthenticator", "authorized", "bearer", "forbidden", "header", "needs"]

EVERYBODY = Principal("", "", Scope.ADMIN, None)
"""Whoever can reach a server without tokens."""
ANY_TOKEN = "any token"
NOTHING = "nothing"
NEEDS = "needs"
BEARER = "bearer "
WRITE_TOKEN = b"x-trackio-write-token"
"""Where trackio's client shows its token."""


def needs(what: Scope | str) -> dict[str, Any]:
    """The `opt` of a route that needs a scope, `ANY_TOKEN` or `NOTHING`."""
    return {NEEDS: what}


class TokenAuthenticator:
    """Knows tokens. To be used from the event loop."""

    def __init__(self, tokens: Tokens, cookie: str, *, loopback: bool) -> None:
        self.tokens = tokens
        self.cookie = cookie
        self.loopback = loopback

    @property
    def is_open(self) -> bool:
        """No token is needed: there are none, and only this machine can ask."""
        return self.loopback and not self.tokens.any()

    def principal(self, scope: HTTPScope) -> Principal | None:
        """Who sends a request; None where it carries no good token. Refusal (503) where that can't be found out."""
        try:
            if self.is_open:
                return EVERYBODY
            token = bearer(scope) or header(scope, WRITE_TOKEN).strip() or self.cookie_token(scope)
            return self.tokens.principal(token) if token else None
        except apsw.Error as error:
            raise HttpProblem(503, "the server's tokens can't be read", hint="its log has more") from error

    def is_good(self, principal: Principal) -> bool:
        """Whether somebody who was let in would be once more."""
        return self.is_open if principal is EVERYBODY else self.tokens.is_good(principal)

    def cookie_token(self, scope: HTTPScope) -> str | None:
        """The token that the page keeps in a cookie."""
        try:
            cookies = SimpleCookie(header(scope, b"cookie"))
        except CookieError:
            return None
        return cookies[self.cookie].value if self.cookie in cookies else None


def header(scope: HTTPScope, name: bytes) -> str:
    """A request's header; empty where there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


def bearer(scope: HTTPScope) -> str | None:
    """The token in the header `Authorization`."""
    value = header(scope, b"authorization")
    return value[len(BEARER) :].strip() if value.lower().startswith(BEARER) else None


def authorized(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of all routes. Refusal (401) without a good token, (403) where the token is not for this."""
    needed = handler.opt.get(NEEDS, Scope.ADMIN)
    principal: Principal | None = connection.scope.get("auth")
    if needed == NOTHING:
        return
    if principal is None:
        given = "authorization" in connection.headers
        raise HttpProblem(
            401,
            "the token is mistyped, revoked or has expired" if given else "this server needs a token",
            hint="on the server: tasuki token create; here: TASUKI_TOKEN, or tasuki remote add NAME URL --token -",
        )
    if needed != ANY_TOKEN:
        for project in named(connection):
            if not principal.may(needed, project):
                raise forbidden(principal, needed, project)


def named(connection: ASGIConnection[Any, Any, Any, Any]) -> list[str | None]:
    """The projects that a request names; a brain is one, too."""
    return [name for key in ("project", "brain") for name in connection.query_params.getall(key, [])] or [None]


def forbidden(principal: Principal, scope: Scope, project: str | None) -> HttpProblem:
    """A token that is not for this. What there is of other projects, or is not, is not said."""
    its = "all projects" if principal.project is None else f"project {principal.project!r}"
    wanted = "" if project is None else f" on {project!r}"
    what = {Scope.READ: "--read", Scope.LOG: "--log", Scope.WRITE: "--write", Scope.ADMIN: "--admin"}[scope]
    hint = f"on the server: tasuki token create {what}{'' if project is None else f' {project}'}"
    return HttpProblem(403, f"this token is for {principal.scope!s} on {its}; that needs {scope!s}{wanted}", hint=hint)
