"""How fast are the charts of ten runs of a million points drawn?

Ten runs of ten metrics, a million steps each (100 series, 100 million points), are received and projected beforehand. Then all
charts are asked for: one `GET /api/v1/series` per metric, with all ten runs, 640 columns, as binary frames over one connection,
from the first request to the last byte. The store is warm: all was asked for once before, and nothing changes. Each run is the
median of five.
"""

from benchmarks.child import ask
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, figure
from benchmarks.serving import serving
from benchmarks.workload import METRICS

__all__ = ["QUESTION", "measure"]

RUNS = 10
TIMES = 5


def measure(size: Size) -> list[Row]:
    """Milliseconds of all frames."""
    with folder() as path:
        for number in range(RUNS):
            work = {"do": "fill", "folder": str(path), "first": number, "runs": number + 1, "metrics": len(METRICS)}
            ask("benchmarks.children.receiver", {**work, "steps": size.points})
        with serving(path) as url:
            work = {"do": "frames", "url": url, "runs": RUNS, "charts": len(METRICS), "times": TIMES}
            answers = [ask("benchmarks.children.reader", work) for _ in range(size.runs)]
    return [
        figure(
            f"all frames of {RUNS} runs × {size.points:,} points × {len(METRICS)} metrics",
            (run["milliseconds"] for run in answers),
            "ms",
            at_most(400),
        ),
        figure("bytes of all frames", (run["bytes"] / 1e6 for run in answers), "MB"),
    ]


QUESTION = Question("How fast are the charts of ten long runs drawn?", __doc__, measure, quick=False)
