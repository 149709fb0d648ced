"""Ownership of runs: a `log` token may create runs, and write only to runs that its principal created."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tasuki.records import JOBS_PROJECT, START, Item
from tasuki.server.auth.guards import forbidden_problem
from tasuki.server.auth.principal import Principal, Scope
from tasuki.server.auth.tokens import Tokens
from tasuki.server.workers.reader_pool import ReaderPool
from tasuki.store import Queries, RawStore

__all__ = ["RunOwnership"]


class OwnedResource(NamedTuple):
    """Unit of ownership: a run, or a single stream of a project's data outside runs (`run` empty)."""

    project: str
    run: str
    writer: str


class RunOwnership:
    """Checks and claims ownership. For the event loop only.

    Anonymous principals (empty `token_id`) own nothing.
    """

    def __init__(self, tokens: Tokens, readers: ReaderPool, raw_path: Path) -> None:
        self.tokens = tokens
        self.readers = readers
        self.raw_path = raw_path

    async def find_objections(self, principal: Principal, items: Sequence[Item]) -> list[str | None]:
        """Return for each item why the principal may not send it, or None. Raise 403 if none is permitted.

        The principal becomes the owner of new runs.
        """
        if not principal.token_id:
            return [None] * len(items)
        permitted = [item for item in items if principal.has_scope(Scope.LOG, item.project)]
        owners = await self.resolve_owners(principal, permitted)
        found = [self.find_objection(principal, item, owners) for item in items]
        if None not in found:
            if not permitted:
                raise forbidden_problem(principal, Scope.LOG, items[0].project)
            raise forbidden_problem(principal, Scope.WRITE, items[0].project)
        return found

    async def are_permitted(self, principal: Principal, items: Sequence[Item]) -> list[bool]:
        """Return for each item whether the principal may send it."""
        if not principal.token_id or not items:
            return [True] * len(items)
        owners = await self.resolve_owners(principal, [item for item in items if principal.has_scope(Scope.LOG, item.project)])
        return [self.find_objection(principal, item, owners) is None for item in items]

    def find_objection(self, principal: Principal, item: Item, owners: dict[OwnedResource, str]) -> str | None:
        """Return why the principal may not send an item, or None."""
        if not principal.has_scope(Scope.LOG, item.project):
            return "the token is not for this project"
        if item.project == JOBS_PROJECT and not principal.has_scope(Scope.WRITE, item.project):
            return "what is known of jobs is not for a `log` token to say"
        if (
            not principal.has_scope(Scope.WRITE, item.project)
            and owners.get(build_resource_key(item), principal.name) != principal.name
        ):
            return "the run is another's: a `log` token touches only runs that its principal has created"
        return None

    async def resolve_owners(self, principal: Principal, items: Sequence[Item]) -> dict[OwnedResource, str]:
        """Return the owner of each resource ("": exists without owner).

        Claim new resources that items write to.
        A resource without owner may still exist: it predates tokens, or was recorded in the server's own folder. Such a
        resource must not be claimed by the next sender, so look for its data before claiming. An item that only asks for a
        position claims nothing.
        """
        wanted = {build_resource_key(item) for item in items}
        owners = {key: name for key in wanted if (name := self.tokens.find_owner(*key)) is not None}
        if wanted <= owners.keys():
            return owners
        found = await self.readers.run_in_thread(
            self.readers.run_query_now, lambda queries, _: self.find_existing(queries, wanted - owners.keys())
        )
        owners |= dict.fromkeys(found, "")
        told = {build_resource_key(item) for item in items if item.data is not None or item.sealed}
        return owners | self.tokens.claim_ownership((told - owners.keys()), principal.name)

    def find_existing(self, queries: Queries, resources: set[OwnedResource]) -> set[OwnedResource]:
        """Return the resources of which data exists, in the projection or in the raw store."""
        with closing(RawStore(self.raw_path)) as raw:
            return {key for key in resources if is_projected(queries, key) or is_received(raw, key)}


def build_resource_key(item: Item) -> OwnedResource:
    """Return the unit of ownership that an item belongs to."""
    return OwnedResource(item.project, item.run, "" if item.run else item.writer)


def is_projected(queries: Queries, key: OwnedResource) -> bool:
    """Return whether the projection has data of a resource."""
    return queries.has_run(key.project, key.run) if key.run else queries.projected_bytes(key.writer) > 0


def is_received(raw: RawStore, key: OwnedResource) -> bool:
    """Return whether the raw store has data or a tombstone of a resource."""
    return raw.has_run(key.project, key.run) if key.run else raw.positions([key.writer])[key.writer] != START
