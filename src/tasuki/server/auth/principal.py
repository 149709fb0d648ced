"""Scopes, and the principal that a token stands for."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Principal", "Scope"]


class Scope(StrEnum):
    """What a token is for."""

    READ = "read"
    LOG = "log"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def included_scopes(self) -> frozenset["Scope"]:
        """All that somebody with this scope may do."""
        return INCLUDED_SCOPES[self]


INCLUDED_SCOPES = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.LOG: frozenset({Scope.LOG}),
    Scope.WRITE: frozenset({Scope.READ, Scope.LOG, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


class Principal(NamedTuple):
    """Who asks: under which name what they send is kept, and what they may do, with one project or with all."""

    token_id: str
    name: str
    scope: Scope
    project: str | None

    def has_scope(self, scope: Scope, project: str | None = None) -> bool:
        """Whether they may do that with the project; with any, where none is named."""
        return scope in self.scope.included_scopes and (project is None or self.project in (None, project))
