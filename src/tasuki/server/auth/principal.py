"""Scopes, and the principal that a token stands for."""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Principal", "Scope"]


class Scope(StrEnum):
    """Permissions of a token."""

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
    """The owner of a token: name, scope, and project (None: all)."""

    token_id: str
    name: str
    scope: Scope
    project: str | None

    def has_scope(self, scope: Scope, project: str | None = None) -> bool:
        """Return whether the principal has a scope for a project; without a name, for any project."""
        return scope in self.scope.included_scopes and (project is None or self.project in (None, project))
