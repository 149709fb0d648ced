"""Token scopes, and the principal that a token identifies."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Principal", "Scope"]


class Scope(StrEnum):
    """Permission that a token grants."""

    READ = "read"
    LOG = "log"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def included_scopes(self) -> frozenset["Scope"]:
        """Return every scope that this scope grants, itself included."""
        return INCLUDED_SCOPES[self]


INCLUDED_SCOPES = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.LOG: frozenset({Scope.LOG}),
    Scope.WRITE: frozenset({Scope.READ, Scope.LOG, Scope.WRITE}),
    Scope.ADMIN: frozenset(Scope),
}


class Principal(NamedTuple):
    """Authenticated sender of a request: token id, owner name, scope, and project (None: all projects)."""

    token_id: str
    name: str
    scope: Scope
    project: str | None

    def has_scope(self, scope: Scope, project: str | None = None) -> bool:
        """Return whether the principal has the scope on the project; without a project, on any project."""
        return scope in self.scope.included_scopes and (project is None or self.project in (None, project))
