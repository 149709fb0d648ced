"""Access tokens of a server, and the owners of runs, stored in `server.db`.

Only the sha256 of a token is stored.
Format: tsk_<id: 12 hex digits>_<secret: 43 characters>
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import apsw

from tasuki.clock import SYSTEM_CLOCK, Clock
from tasuki.errors import DataError, NotFound
from tasuki.server.auth.principal import Principal, Scope
from tasuki.store import fetch_all, fetch_one, write_transaction

__all__ = ["TokenRow", "Tokens", "open_tokens"]

SERVER_FILE = "server.db"
SCHEMA_VERSION = 1
APPLICATION_ID = 0x7461_7376
CREATE_TABLES = """
CREATE TABLE token (
    id TEXT PRIMARY KEY, sha256 BLOB NOT NULL, name TEXT NOT NULL, scope TEXT NOT NULL, project TEXT,
    created INTEGER NOT NULL, expires INTEGER, used INTEGER, revoked INTEGER
) WITHOUT ROWID;
CREATE TABLE owner (
    project TEXT NOT NULL, run TEXT NOT NULL, writer TEXT NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (project, run, writer)
) WITHOUT ROWID;
"""
TOKEN_PATTERN = re.compile(r"tsk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
USE_UPDATE_INTERVAL_US = 60_000_000
T = TypeVar("T", bound=tuple[str, str, str])


class TokenRow(NamedTuple):
    """A token without its secret. Times are in microseconds since 1970 UTC."""

    id: str
    name: str
    scope: Scope
    project: str | None
    created: int
    expires: int | None
    used: int | None
    revoked: int | None


class Tokens:
    """Tokens of one server, and the owner of each run. Not thread-safe."""

    def __init__(self, path: Path | str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.db = apsw.Connection(str(path))
        try:
            self.create_tables()
        except apsw.NotADBError as error:
            raise DataError(f"{path} is not a server's file: {error}") from error
        if self.db.pragma("application_id") != APPLICATION_ID or self.db.pragma("user_version") != SCHEMA_VERSION:
            raise DataError(f"{path} is not a server's file of schema {SCHEMA_VERSION}")

    def create_tables(self) -> None:
        """Create the tables unless they exist."""
        self.db.set_busy_timeout(10_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        if self.db.pragma("user_version") == 0:
            with write_transaction(self.db):
                if self.db.pragma("user_version") == 0:
                    self.db.execute(
                        f"{CREATE_TABLES}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}"
                    )

    def close(self) -> None:
        """Close the database."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    # -- care

    def create(self, scope: Scope, project: str | None = None, *, name: str | None = None, expires: int | None = None) -> str:
        """Create a token and return its text, which is not stored. Tokens with the same name share their runs.

        `project`: None for all projects. `name`: the owner name (default: the token id). `expires`: microseconds UTC
        (default: never).
        """
        id = secrets.token_hex(6)
        text = f"tsk_{id}_{secrets.token_urlsafe(32)}"
        row = (id, hash_token(text), name or id, scope, project, self.clock.now_us(), expires)
        self.db.execute("INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
        return text

    def revoke(self, id: str) -> None:
        """Revoke a token. Raise NotFound if no token has the id."""
        self.db.execute("UPDATE token SET revoked = coalesce(revoked, ?) WHERE id = ?", (self.clock.now_us(), id))
        if not self.db.changes():
            raise NotFound(f"there is no token {id!r}", hint="tasuki token list")

    def list_tokens(self) -> list[TokenRow]:
        """Return all tokens, also revoked and expired ones, oldest first."""
        found = fetch_all(
            self.db, "SELECT id, name, scope, project, created, expires, used, revoked FROM token ORDER BY created, id"
        )
        return [TokenRow(id, name, Scope(scope), *more) for id, name, scope, *more in found]

    def has_any(self) -> bool:
        """Return whether a token was ever created. A revoked token counts: revoking must not open the server."""
        return fetch_one(self.db, "SELECT 1 FROM token LIMIT 1") is not None

    # -- at work

    def authenticate(self, token: str) -> Principal | None:
        """Return the principal of a token; None if the token is malformed, unknown, revoked or expired."""
        found = TOKEN_PATTERN.fullmatch(token)
        row = found and fetch_one(
            self.db, "SELECT id, name, scope, project, sha256, expires, used, revoked FROM token WHERE id = ?", (found[1],)
        )
        if not row:
            return None
        id, name, scope, project, sha256, expires, used, revoked = row
        now = self.clock.now_us()
        if not hmac.compare_digest(hash_token(token), sha256) or revoked is not None or (expires is not None and expires <= now):
            return None
        if used is None or now - used > USE_UPDATE_INTERVAL_US:
            self.record_use(id, now)
        return Principal(id, name, Scope(scope), project)

    def is_valid(self, principal: Principal) -> bool:
        """Return whether the principal's token exists and is neither revoked nor expired."""
        row = fetch_one(self.db, "SELECT expires, revoked FROM token WHERE id = ?", (principal.token_id,))
        return row is not None and row[1] is None and (row[0] is None or row[0] > self.clock.now_us())

    def record_use(self, id: str, now: int) -> None:
        """Record the time of use; skip if another connection is writing."""
        self.db.set_busy_timeout(0)
        with suppress(apsw.BusyError):
            self.db.execute("UPDATE token SET used = ? WHERE id = ?", (now, id))
        self.db.set_busy_timeout(10_000)

    def find_owner(self, project: str, run: str, writer: str) -> str | None:
        """Return the owner of a run (with `writer`: of that stream); None if no token has claimed it."""
        row = fetch_one(self.db, "SELECT name FROM owner WHERE project = ? AND run = ? AND writer = ?", (project, run, writer))
        return None if row is None else str(row[0])

    def claim_ownership(self, resources: Collection[T], name: str) -> dict[T, str]:
        """Make `name` the owner of each (project, run, writer) without one, in one commit.

        Return the owner of each.
        """
        if not resources:
            return {}
        with write_transaction(self.db):
            for key in resources:
                values = (*key, name, self.clock.now_us())
                self.db.execute("INSERT INTO owner VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
            return {key: self.find_owner(*key) or name for key in resources}


def open_tokens(folder: Path) -> Tokens:
    """Open the tokens of the server with this database folder, in a file with mode 0600."""
    path = folder / SERVER_FILE
    folder.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return Tokens(path)


def hash_token(token: str) -> bytes:
    """Return the stored hash of a token. Its secret has 256 random bits, so one sha256 is enough."""
    return hashlib.sha256(token.encode()).digest()
