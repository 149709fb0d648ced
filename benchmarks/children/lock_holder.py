"""Somebody who holds the store's write lock for a while."""

from time import monotonic, sleep
from typing import Any

import apsw

from benchmarks.child import print_result, read_job


def hold_lock(work: dict[str, Any]) -> dict[str, float]:
    """Take the lock at the agreed moment; says from when to when it was held, in the job's time."""
    db = apsw.Connection(work["store"])
    sleep(max(0.0, work["start"] + work["after"] - monotonic()))
    db.execute("BEGIN IMMEDIATE")
    taken = monotonic()
    sleep(work["seconds"])
    released = monotonic()
    db.execute("ROLLBACK")
    db.close()
    return {"taken": taken - work["start"], "released": released - work["start"]}


if __name__ == "__main__":
    print_result(hold_lock(read_job()))
