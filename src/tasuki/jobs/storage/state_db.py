"""What of jobs can't be derived from journals, in `server.db`: keys of submissions, webhooks seen and parked, names of accounts."""

from pathlib import Path
from typing import NamedTuple

import apsw

from tasuki.store import immediate, one, rows

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
WEBHOOKS_US = 86_400_000_000
"""So long after a webhook its id is known; it is too old to be accepted long before."""
PARKED_US = 7 * 86_400_000_000
MOST_PARKED = 10_000


class IdempotencyClaim(NamedTuple):
    """The job that a key stands for: whoever was first with it. `digest` is of what was submitted with it."""

    job: str
    digest: str


class ParkedWebhook(NamedTuple):
    """A webhook of a job that is not known yet."""

    id: str
    received: int
    body: bytes


class JobStateDb:
    """Not to be shared by threads."""

    def __init__(self, folder: Path) -> None:
        path = folder / SERVER_FILE
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.db = apsw.Connection(str(path))
        self.db.set_busy_timeout(10_000)
        self.db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        with immediate(self.db):
            self.db.execute(TABLES)

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def claim(self, user: str, key: str, wanted: IdempotencyClaim, now: int) -> IdempotencyClaim:
        """Make a key stand for a job, unless it stands for one; atomic, whoever else claims it."""
        with immediate(self.db):
            row = one(self.db, "SELECT job, digest FROM submit_key WHERE user = ? AND key = ?", (user, key))
            if row is not None:
                return IdempotencyClaim(*row)
            self.db.execute("INSERT INTO submit_key VALUES (?, ?, ?, ?, ?)", (user, key, *wanted, now))
            return wanted

    def is_known(self, provider: str, webhook: str) -> bool:
        """Whether a webhook has been taken."""
        return one(self.db, "SELECT 1 FROM webhook WHERE provider = ? AND id = ?", (provider, webhook)) is not None

    def note(self, provider: str, webhook: str, now: int) -> bool:
        """A webhook was taken; False if it had been before. Those that are too old to come again are forgotten."""
        with immediate(self.db):
            self.db.execute("DELETE FROM webhook WHERE received < ?", (now - WEBHOOKS_US,))
            self.db.execute("INSERT INTO webhook VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (provider, webhook, now))
            return self.db.changes() == 1

    def park(self, provider: str, external_id: str, parked: ParkedWebhook) -> None:
        """Keep a webhook until its job is known; the oldest go when there are too many."""
        with immediate(self.db):
            values = (provider, external_id, *parked)
            self.db.execute("INSERT INTO parked VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
            self.db.execute("DELETE FROM parked WHERE received < ?", (parked.received - PARKED_US,))
            self.db.execute(
                "DELETE FROM parked WHERE received <= (SELECT received FROM parked ORDER BY received DESC LIMIT 1 OFFSET ?)",
                (MOST_PARKED,),
            )

    def parked(self, provider: str) -> dict[str, list[ParkedWebhook]]:
        """All that is parked of a provider, by the job's name there, in the order in which it came."""
        found: dict[str, list[ParkedWebhook]] = {}
        statement = "SELECT external_id, id, received, body FROM parked WHERE provider = ? ORDER BY received, id"
        for external_id, *row in rows(self.db, statement, (provider,)):
            found.setdefault(external_id, []).append(ParkedWebhook(*row))
        return found

    def unpark(self, provider: str, external_id: str) -> None:
        """What was parked of a job has been taken."""
        self.db.execute("DELETE FROM parked WHERE provider = ? AND external_id = ?", (provider, external_id))

    def account(self, provider: str, key: str) -> str | None:
        """Whose a key is, as the provider once said."""
        row = one(self.db, "SELECT account FROM account WHERE provider = ? AND key = ?", (provider, key))
        return None if row is None else str(row[0])

    def keep_account(self, provider: str, key: str, account: str) -> None:
        """Keep whose a key is."""
        self.db.execute(
            "INSERT INTO account VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET account = excluded.account", (provider, key, account)
        )
