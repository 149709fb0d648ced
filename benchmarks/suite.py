"""Running the questions, all or some, and saying what came out."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import (
    answers as one_command,
)
from benchmarks import (
    charts,
    disk,
    doctor,
    footprint,
    growth,
    hpc,
    ingest,
    jobs,
    log_call,
    many_processes,
    note_to_server,
    reading,
    server,
    sigkill,
    soak,
    summaries,
    to_queryable,
    volume,
    watchers,
    with_relay,
    write_through,
)
from benchmarks.child import ChildFailed
from benchmarks.machine import Load, facts
from benchmarks.plot import draw
from benchmarks.report import Answer, headlines, missed, page, replaced, table
from benchmarks.rows import Bar, Question, Row, Size

__all__ = ["run"]

QUESTIONS = {
    "log_call": log_call.QUESTION,
    "watchers": watchers.QUESTION,
    "with_relay": with_relay.QUESTION,
    "write_through": write_through.QUESTION,
    "note_to_server": note_to_server.QUESTION,
    "many_processes": many_processes.QUESTION,
    "footprint": footprint.QUESTION,
    "to_queryable": to_queryable.QUESTION,
    "disk": disk.QUESTION,
    "ingest": ingest.QUESTION,
    "reading": reading.QUESTION,
    "summaries": summaries.QUESTION,
    "answers": one_command.QUESTION,
    "server": server.QUESTION,
    "sigkill": sigkill.QUESTION,
    "doctor": doctor.QUESTION,
    "volume": volume.QUESTION,
    "soak": soak.QUESTION,
    "charts": charts.QUESTION,
    "growth": growth.QUESTION,
    "jobs": jobs.QUESTION,
    "hpc": hpc.QUESTION,
}
HERE = Path(__file__).parent
RESULTS, PLOTS, README = HERE / "RESULTS.md", HERE / "plots", HERE.parent / "README.md"


def run(size: Size, arguments: Sequence[str], *, command: str | None) -> int:
    """Ask the named questions, or all; 1 if a bar is missed or a question failed. Only a whole `command` writes results."""
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("--only", nargs="+", choices=QUESTIONS, help="ask only these")
    only = parser.parse_args(arguments).only
    began = datetime.now(UTC)
    names = only or [name for name, question in QUESTIONS.items() if question.quick or size.name != "quick"]
    answers = {name: answered(QUESTIONS[name], size) for name in names}
    if command and not only:
        plots = draw(PLOTS, answers)
        text = page(facts(), answers, plots, command=command, began=began, ended=datetime.now(UTC))
        RESULTS.write_text(text, encoding="utf-8")
        README.write_text(replaced(README.read_text(encoding="utf-8"), headlines(text)), encoding="utf-8")
        print(f"written: {RESULTS}, {len(plots)} plots, the table in {README}")
    bars = missed(answers.values())
    for bar in bars:
        print(f"missed: {bar}")
    return 1 if bars else 0


def answered(question: Question, size: Size) -> Answer:
    """Ask one question, and show the answer. One that fails is a missed bar; the others are still asked."""
    print(f"{question.title}", flush=True)
    load = Load()
    try:
        rows = question.measure(size)
    except ChildFailed as error:
        print(error)
        rows = [Row(question.title, None, "", Bar("=", 0), False, note=f"it failed: {error.last_line}")]
    answer = Answer(question, rows, load.share())
    print(*table(answer.rows), f"other work on the machine: {answer.elsewhere:.0%} of the cores' time", "", sep="\n", flush=True)
    return answer
