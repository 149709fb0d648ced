"""How soon is a note on the server?

Eight processes with one brain make 25 corrections each, at random moments, about forty a second in all. They go to a real server,
and one client asks that for its newest notes again and again. A note's time is from the return of `brain.correct()` to the first
answer that has it.
"""

import http.client
import json
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote, urlsplit

from benchmarks.child import answer_of, start, stop
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, exactly, figure, percentile
from benchmarks.serving import serving
from tasuki import Brain

__all__ = ["QUESTION", "measure"]

CLIENTS = 8
CALLS = 25
RATE = 5.0
LOOK_SECONDS = 0.02
LONGEST_SECONDS = 60.0


def measure(size: Size) -> list[Row]:
    """Percentiles of the delay, and what never came."""
    delays, absent = [], 0
    with folder() as place, serving(place / "server") as url:
        for number in range(size.runs):
            found, gone = one_run(place / f"brain{number}", url)
            delays.append(found)
            absent += gone
    return [
        figure("on the server after, p50", (percentile(run, 50) for run in delays), "s"),
        figure("on the server after, p95", (percentile(run, 95) for run in delays), "s", at_most(1.5)),
        figure("on the server after, slowest", (max(run) for run in delays), "s", at_most(5)),
        figure("notes that are not there", [absent], "", exactly(0)),
    ]


def one_run(place: Path, url: str) -> tuple[list[float], int]:
    """The delay of each note in seconds, and how many are not there at the end."""
    with Brain(place) as brain:
        name = brain.id
    work = {"folder": str(place), "remote": url, "calls": CALLS, "rate": RATE}
    children = [start("benchmarks.children.noting", work | {"client": client}) for client in range(CLIENTS)]
    try:
        seen = watched(url, name)
        noted = {draft: at for child in children for draft, at in answer_of(child).items()}
    finally:
        stop(children)
    return [max(0.0, seen[draft] - at) for draft, at in noted.items() if draft in seen], len(noted.keys() - seen.keys())


def watched(url: str, brain: str) -> dict[str, float]:
    """When each draft was first seen, until all are there, or much too late."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    deadline = monotonic() + LONGEST_SECONDS
    seen: dict[str, float] = {}
    while len(seen) < CLIENTS * CALLS and monotonic() < deadline:
        connection.request("GET", f"/api/v1/notes?brain={quote(brain)}&order=-created&limit=200")
        answer = json.loads(connection.getresponse().read())
        for note in answer.get("notes", ()):  # a brain that the server has not heard of yet is an error
            seen.setdefault(note["content"]["draft"], monotonic())
        sleep(LOOK_SECONDS)
    connection.close()
    return seen


QUESTION = Question("How soon is a note on the server?", __doc__, measure)
