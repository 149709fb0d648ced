"""Job state that journals cannot reproduce (`server.db`).

Idempotency keys, webhook ids, parked webhooks, account names.
"""

from pathlib import Path
from typing import NamedTuple

import apsw

from tasuki.store import fetch_all, fetch_one, write_transaction

__all__ = ["IdempotencyClaim", "JobStateDb", "ParkedWebhook"]

SERVER_FILE = "server.db"
TABLES = """
CREATE TABLE IF NOT EXISTS submit_key (
    user TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL, digest TEXT NOT NULL, created INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhook (
    provider TEXT NOT NULL, id TEXT NOT NULL, received INTEGER NOT NULL, PRIMARY KEY (provider, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
    provider TEXT NOT NULL, external_id TEXT NOT NULL, id TEXT NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (provider, external_id, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    provider TEXT NOT NULL, key TEXT NOT NULL, account TEXT NOT NULL, PRIMARY KEY (provider, key)
) WITHOUT ROWID;
"""
WEBHOOK_RETENTION_US = 86_400_000_000
"""So long after a webhook its id is known; it is too old to be accepted long before."""
PARKED_RETENTION_US = 7 * 86_400_000_000
MAX_PARKED = 10_000


class IdempotencyClaim(NamedTuple):
    """The job that an idempotency key stands for. `digest` is of the first submission with the key."""

    job: str
    digest: str


class ParkedWebhook(NamedTuple):
    """A webhook of a job that is not known yet."""

    id: str
    received: int
    body: bytes


class JobStateDb:
    """The job state of one server. Not thread-safe."""

    def __init__(self, folder: Path) -> None:
        path = folder / SERVER_FILE
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.db = apsw.Connection(str(path))
        self.db.set_busy_timeout(10_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        with write_transaction(self.db):
            self.db.execute(TABLES)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def claim_key(self, user: str, key: str, claim: IdempotencyClaim, now: int) -> IdempotencyClaim:
        """Assign a key to a job unless it has one; atomic across processes."""
        with write_transaction(self.db):
            row = fetch_one(self.db, "SELECT job, digest FROM submit_key WHERE user = ? AND key = ?", (user, key))
            if row is not None:
                return IdempotencyClaim(*row)
            self.db.execute("INSERT INTO submit_key VALUES (?, ?, ?, ?, ?)", (user, key, *claim, now))
            return claim

    def is_webhook_known(self, provider: str, webhook_id: str) -> bool:
        """Return whether a webhook was processed."""
        return fetch_one(self.db, "SELECT 1 FROM webhook WHERE provider = ? AND id = ?", (provider, webhook_id)) is not None

    def record_webhook(self, provider: str, webhook_id: str, now: int) -> bool:
        """Record that a webhook was processed; False if it was before. Forget those too old to be repeated."""
        with write_transaction(self.db):
            self.db.execute("DELETE FROM webhook WHERE received < ?", (now - WEBHOOK_RETENTION_US,))
            self.db.execute("INSERT INTO webhook VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (provider, webhook_id, now))
            return self.db.changes() == 1

    def park_webhook(self, provider: str, external_id: str, webhook: ParkedWebhook) -> None:
        """Keep a webhook until its job is known; drop the oldest beyond the limit."""
        with write_transaction(self.db):
            values = (provider, external_id, *webhook)
            self.db.execute("INSERT INTO parked VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
            self.db.execute("DELETE FROM parked WHERE received < ?", (webhook.received - PARKED_RETENTION_US,))
            self.db.execute(
                "DELETE FROM parked WHERE received <= (SELECT received FROM parked ORDER BY received DESC LIMIT 1 OFFSET ?)",
                (MAX_PARKED,),
            )

    def list_parked(self, provider: str) -> dict[str, list[ParkedWebhook]]:
        """Return a provider's parked webhooks by the job's external id, in order of arrival."""
        found: dict[str, list[ParkedWebhook]] = {}
        statement = "SELECT external_id, id, received, body FROM parked WHERE provider = ? ORDER BY received, id"
        for external_id, *row in fetch_all(self.db, statement, (provider,)):
            found.setdefault(external_id, []).append(ParkedWebhook(*row))
        return found

    def delete_parked(self, provider: str, external_id: str) -> None:
        """Remove the parked webhooks of a job."""
        self.db.execute("DELETE FROM parked WHERE provider = ? AND external_id = ?", (provider, external_id))

    def get_account(self, provider: str, key: str) -> str | None:
        """Return the account that a provider reported for an API key."""
        row = fetch_one(self.db, "SELECT account FROM account WHERE provider = ? AND key = ?", (provider, key))
        return None if row is None else str(row[0])

    def store_account(self, provider: str, key: str, account: str) -> None:
        """Store the account of an API key."""
        self.db.execute(
            "INSERT INTO account VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET account = excluded.account", (provider, key, account)
        )
