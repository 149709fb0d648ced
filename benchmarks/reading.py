"""How fast is one long metric read and drawn?

A run of one million steps is received and projected beforehand. In a process of its own, after one reading that is not counted:
2000 min/max buckets of one metric from the store, the same by `Api.series` as all points; then by `GET /api/v1/series?columns=2000`
from a real server, as a binary frame over one connection that stays open, from the request to the last byte. Each run is
the median of nine. (One metric of 100,000 points by `Api`, from opening on, is in "How long until a run can be queried".)
"""

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure
from benchmarks.serving import serving

__all__ = ["QUESTION", "measure"]

TIMES = 9


def measure(size: Size) -> list[Row]:
    """Milliseconds, in the store and over HTTP."""
    stored, framed, columns = [], [], f"{size.points:,} points"
    with folder() as path:
        ask(
            "benchmarks.children.receiver",
            {"do": "fill", "folder": str(path), "first": 0, "runs": 1, "metrics": 10, "steps": size.points},
        )
        with serving(path) as url:
            for _ in range(size.runs):
                stored.append(ask("benchmarks.children.reader", {"do": "store", "folder": str(path), "times": TIMES}))
                framed.append(
                    ask("benchmarks.children.reader", {"do": "frames", "url": url, "runs": 1, "charts": 1, "times": TIMES})
                )
    return [
        figure(f"{columns} to 2000 min/max buckets, in the store", (run["buckets"] for run in stored), "ms", at_most(15)),
        figure(f"{columns} to 2000 min/max buckets, over HTTP", (run["milliseconds"] for run in framed), "ms", at_most(40)),
        figure(f"{columns} as arrays, by Api", (run["series"] for run in stored), "ms"),
    ]


QUESTION = Question("How fast is one long metric read and drawn?", __doc__, measure)
