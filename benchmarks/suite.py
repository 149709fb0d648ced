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
from benchmarks.machine import LoadMeter, collect_machine_facts
from benchmarks.plot import write_plots
from benchmarks.report import BenchmarkResult, build_headlines, build_page, build_table, list_missed_thresholds, replace_figures
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, Threshold

__all__ = ["run_suite"]

BENCHMARKS = {
    "log_call": log_call.BENCHMARK,
    "watchers": watchers.BENCHMARK,
    "with_relay": with_relay.BENCHMARK,
    "write_through": write_through.BENCHMARK,
    "note_to_server": note_to_server.BENCHMARK,
    "many_processes": many_processes.BENCHMARK,
    "footprint": footprint.BENCHMARK,
    "to_queryable": to_queryable.BENCHMARK,
    "disk": disk.BENCHMARK,
    "ingest": ingest.BENCHMARK,
    "reading": reading.BENCHMARK,
    "summaries": summaries.BENCHMARK,
    "answers": one_command.BENCHMARK,
    "server": server.BENCHMARK,
    "sigkill": sigkill.BENCHMARK,
    "doctor": doctor.BENCHMARK,
    "volume": volume.BENCHMARK,
    "soak": soak.BENCHMARK,
    "charts": charts.BENCHMARK,
    "growth": growth.BENCHMARK,
    "jobs": jobs.BENCHMARK,
    "hpc": hpc.BENCHMARK,
}
BENCHMARKS_FOLDER = Path(__file__).parent
RESULTS_FILE, PLOTS_FOLDER, README_FILE = (
    BENCHMARKS_FOLDER / "RESULTS.md",
    BENCHMARKS_FOLDER / "plots",
    BENCHMARKS_FOLDER.parent / "README.md",
)


def run_suite(size: BenchmarkSize, arguments: Sequence[str], *, command: str | None) -> int:
    """Ask the named questions, or all; 1 if a bar is missed or a question failed. Only a whole `command` writes results."""
    parser = argparse.ArgumentParser(prog=command)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, help="ask only these")
    only = parser.parse_args(arguments).only
    began = datetime.now(UTC)
    names = only or [name for name, question in BENCHMARKS.items() if question.is_quick or size.name != "quick"]
    answers = {name: run_benchmark(BENCHMARKS[name], size) for name in names}
    if command and not only:
        plots = write_plots(PLOTS_FOLDER, answers)
        text = build_page(collect_machine_facts(), answers, plots, command=command, started_at=began, ended_at=datetime.now(UTC))
        RESULTS_FILE.write_text(text, encoding="utf-8")
        README_FILE.write_text(replace_figures(README_FILE.read_text(encoding="utf-8"), build_headlines(text)), encoding="utf-8")
        print(f"written: {RESULTS_FILE}, {len(plots)} plots, the table in {README_FILE}")
    bars = list_missed_thresholds(answers.values())
    for bar in bars:
        print(f"missed: {bar}")
    return 1 if bars else 0


def run_benchmark(benchmark: Benchmark, size: BenchmarkSize) -> BenchmarkResult:
    """Ask one question, and show the answer. One that fails is a missed bar; the others are still asked."""
    print(f"{benchmark.title}", flush=True)
    load = LoadMeter()
    try:
        rows = benchmark.measure(size)
    except ChildFailed as error:
        print(error)
        rows = [ResultRow(benchmark.title, None, "", Threshold("=", 0), False, note=f"it failed: {error.last_line}")]
    answer = BenchmarkResult(benchmark, rows, load.compute_other_share())
    print(
        *build_table(answer.rows),
        f"other work on the machine: {answer.other_load:.0%} of the cores' time",
        "",
        sep="\n",
        flush=True,
    )
    return answer
