"""Running the questions, all or some, and saying what came out."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import footprint, log_call, many_processes, to_queryable, with_relay
from benchmarks.machine import Load, facts
from benchmarks.report import Answer, missed, page, table
from benchmarks.rows import Question, Size

__all__ = ["run"]

QUESTIONS = {
    "log_call": log_call.QUESTION,
    "with_relay": with_relay.QUESTION,
    "many_processes": many_processes.QUESTION,
    "footprint": footprint.QUESTION,
    "to_queryable": to_queryable.QUESTION,
}
RESULTS = Path(__file__).parent / "RESULTS.md"


def run(size: Size, names: Sequence[str], *, command: str) -> int:
    """Ask the named questions, or all. Only all of them write the results; 1 if a bar is missed, 2 for a wrong name."""
    if unknown := set(names) - set(QUESTIONS):
        print(f"there is no question {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}", file=sys.stderr)
        return 2
    began = datetime.now(UTC)
    answers = [answered(QUESTIONS[name], size) for name in names or QUESTIONS]
    if not names:
        RESULTS.write_text(page(facts(), answers, command=command, began=began, ended=datetime.now(UTC)), encoding="utf-8")
        print(f"written: {RESULTS}")
    bars = missed(answers)
    for bar in bars:
        print(f"missed: {bar}")
    return 1 if bars else 0


def answered(question: Question, size: Size) -> Answer:
    """Ask one question, and show the answer."""
    print(f"{question.title}", flush=True)
    load = Load()
    answer = Answer(question, question.measure(size), load.share())
    print(*table(answer.rows), f"other work on the machine: {answer.elsewhere:.0%} of the cores' time", "", sep="\n", flush=True)
    return answer
