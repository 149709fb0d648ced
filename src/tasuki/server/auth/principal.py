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
    def includes(self) -> frozenset["Scope"]:
        """All that somebody with this scope may do."""
        return INCLUDES[self]


INCLUDES = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.LOG: frozenset({Scope.LOG}),
    Scope.WRITE: frozenset({Scope.READ, Scope.LOG, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


class Principal(NamedTuple):
    """Who asks: under which name what they send is kept, and what they may do, with one project or with all."""

    token: str
    name: str
    scope: Scope
    project: str | None

    def may(self, scope: Scope, project: str | None = None) -> bool:
        """Whether they may do that with the project; with any, where none is named."""
        return scope in self.scope.includes and (project is None or self.project in (None, project))
