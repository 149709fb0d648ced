"""Ownership of runs: a `log` token creates runs and touches only those its principal created."""

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
    """A resource with an owner: a run, or a stream that belongs to no run."""

    project: str
    run: str
    writer: str


class RunOwnership:
    """Owners of runs. Use it from the event loop. Without a token, nobody becomes an owner."""

    def __init__(self, tokens: Tokens, readers: ReaderPool, raw_path: Path) -> None:
        self.tokens = tokens
        self.readers = readers
        self.raw_path = raw_path

    async def find_objections(self, principal: Principal, items: Sequence[Item]) -> list[str | None]:
        """Why each item is not the principal's to send; None where it is. Refusal (403) where none of them is."""
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
        """Return whether the principal may send each item."""
        if not principal.token_id or not items:
            return [True] * len(items)
        owners = await self.resolve_owners(principal, [item for item in items if principal.has_scope(Scope.LOG, item.project)])
        return [self.find_objection(principal, item, owners) is None for item in items]

    def find_objection(self, principal: Principal, item: Item, owners: dict[OwnedResource, str]) -> str | None:
        """Why one item is not the principal's to send."""
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
        """Return the owner of each resource; new ones become the principal's if it sends to them."""
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
        """Return existing resources without an owner: from before there were tokens, or of this folder."""
        with closing(RawStore(self.raw_path)) as raw:
            return {key for key in resources if is_projected(queries, key) or is_received(raw, key)}


def build_resource_key(item: Item) -> OwnedResource:
    """Return the resource of an item."""
    return OwnedResource(item.project, item.run, "" if item.run else item.writer)


def is_projected(queries: Queries, key: OwnedResource) -> bool:
    """Return whether the projection knows a resource."""
    return queries.has_run(key.project, key.run) if key.run else queries.projected_bytes(key.writer) > 0


def is_received(raw: RawStore, key: OwnedResource) -> bool:
    """Return whether the raw store has any bytes or a tombstone of a resource."""
    return raw.has_run(key.project, key.run) if key.run else raw.positions([key.writer])[key.writer] != START
