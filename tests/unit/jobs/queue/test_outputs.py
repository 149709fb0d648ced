"""A run grows while its job writes, is over when the job is, and has each point once, whoever brings what was written."""

from pathlib import Path

import msgspec
import pytest

from tasuki.hpc.live_outputs import STDOUT_FILE, OutputPiece, WatchedAttempt
from tasuki.jobs.queue.outputs import OutputRecorder
from tasuki.jobs.storage.job_journal import JobJournal
from tasuki.records import Job, JobCreated, JobStatus, Observation
from tasuki.settings import Settings, load
from tasuki.store import LocalStore

JOB = Job(
    id="0123456789ab", provider="hpc", created=1, updated=1, status=JobStatus.RUNNING, config_name="al",
    metadata={"site": "here", "profile": "elk"},
)  # fmt: skip
ENERGIES = [-241.0, -241.5, -241.9]
TEXT = "".join(f"  {energy}\n" for energy in ENERGIES).encode()
NAME = "TOTENERGY.OUT"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(dir=str(tmp_path / "data"))


def piece(offset: int, end: int, attempt: int = 1) -> OutputPiece:
    return OutputPiece(f"j{JOB.id}", attempt, NAME, offset, len(TEXT), TEXT[offset:end])


def energies(settings: Settings, run: str = JOB.id) -> tuple[str, list[float]]:
    with LocalStore(settings) as store:
        return store.run("hpc", run).status, [row.metrics["energy"] for row in store.history("hpc", run)]


def over(status: JobStatus, error: str | None = None) -> Job:
    return msgspec.structs.replace(JOB, status=status, error_message=error)


def test_points_come_line_by_line_and_once(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    half = TEXT.index(b"\n") + 4
    assert outputs.record_pieces([JOB], [piece(0, half)]) == {JOB.id}
    assert outputs.list_watched_attempts([JOB]) == [WatchedAttempt(f"j{JOB.id}", 1, {STDOUT_FILE: 0, NAME: half})]
    assert energies(settings) == ("running", ENERGIES[:1])
    for _ in range(2):
        outputs.record_pieces([JOB], [piece(0, half)])  # said again
        OutputRecorder(settings).record_pieces([JOB], [])  # another process
    assert outputs.record_pieces([JOB], [piece(half, len(TEXT))]) == set()
    assert energies(settings) == ("running", ENERGIES)
    outputs.record_pieces([over(JobStatus.COMPLETED)], [])
    assert energies(settings) == ("finished", ENERGIES)


def test_a_process_that_ended_before_it_could_note_what_it_has_recorded_counts_nothing_twice(settings: Settings) -> None:
    OutputRecorder(settings).record_pieces([JOB], [piece(0, len(TEXT))])
    (settings.dir / "jobs" / JOB.id / "1/outputs/recorded").unlink()
    OutputRecorder(settings).record_pieces([JOB], [])
    assert energies(settings) == ("running", ENERGIES)


def test_results_that_are_fetched_add_what_was_not_heard(settings: Settings, tmp_path: Path) -> None:
    outputs = OutputRecorder(settings)
    outputs.record_pieces([JOB], [piece(0, TEXT.index(b"\n") + 1)])
    (tmp_path / NAME).write_bytes(TEXT)
    (tmp_path / STDOUT_FILE).write_text("over\n")
    for _ in range(2):
        outputs.record_results(over(JobStatus.FAILED, "the loop did not converge"), tmp_path)
    assert energies(settings) == ("failed", ENERGIES)
    assert outputs.logs.read_text(JOB) == "over\n"
    with LocalStore(settings) as store:
        row = store.run("hpc", JOB.id)
    assert (row.name, row.reason, row.config["host"]) == ("al", "the loop did not converge", "here")


def test_what_is_no_number_costs_its_point_alone(settings: Settings) -> None:
    text = b"-241.0\n*******\n-\n-241.9\n"
    OutputRecorder(settings).record_pieces([over(JobStatus.FAILED)], [OutputPiece(f"j{JOB.id}", 1, NAME, 0, len(text), text)])
    assert energies(settings) == ("failed", [-241.0, -241.9])


def test_a_run_ends_with_its_job_even_if_nobody_could_write_so(settings: Settings) -> None:
    """The job was given up, or another attempt of it has begun, and its outputs can't be read any more."""
    outputs = OutputRecorder(settings)
    outputs.record_pieces([JOB], [piece(0, len(TEXT))])
    ledger = JobJournal(settings)
    try:
        created = JobCreated(time=1, job=JOB.id, provider="hpc", metadata=JOB.metadata)
        ledger.record([created, Observation(time=2, job=JOB.id, status=JobStatus.RUNNING)])
        assert energies(settings)[0] == "running"
        ledger.record([Observation(time=3, job=JOB.id, attempt=2, status=JobStatus.RUNNING)])
        assert energies(settings)[0] == "failed"
        outputs.record_pieces([msgspec.structs.replace(JOB, attempt=2)], [piece(0, len(TEXT), attempt=2)])
        assert energies(settings, f"{JOB.id}.2")[0] == "running"
        ledger.record([Observation(time=4, job=JOB.id, attempt=2, status=JobStatus.COMPLETED)])
        assert energies(settings, f"{JOB.id}.2")[0] == "finished"
    finally:
        ledger.close()


def test_while_somebody_else_is_at_a_job_it_is_left_to_them(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    with OutputRecorder(settings).lock_outputs(JOB) as is_ours:
        assert is_ours
        assert outputs.record_pieces([JOB], [piece(0, len(TEXT))]) == set()
    assert outputs.list_watched_attempts([JOB])[0].offsets[NAME] == 0
    outputs.record_pieces([JOB], [piece(0, len(TEXT))])
    assert energies(settings) == ("running", ENERGIES)


def test_who_looks_again_and_again_writes_one_file(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    for place in range(len(TEXT)):
        outputs.record_pieces([JOB], [piece(place, place + 1)])
    assert energies(settings) == ("running", ENERGIES)
    assert len(list((settings.journal_root).rglob("*.tsk"))) == 1


def test_another_attempt_is_another_run(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    outputs.record_pieces([JOB], [piece(0, len(TEXT))])
    outputs.record_pieces([over(JobStatus.CANCELLED)], [])
    again = msgspec.structs.replace(JOB, attempt=2)
    outputs.record_pieces([again], [piece(0, len(TEXT)), piece(0, 12, attempt=2)])
    assert energies(settings) == ("failed", ENERGIES)
    assert energies(settings, f"{JOB.id}.2") == ("running", ENERGIES[:1])


def test_an_output_that_was_begun_anew_is_read_anew(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    outputs.record_pieces([JOB], [piece(0, len(TEXT))])
    outputs.record_pieces([JOB], [OutputPiece(f"j{JOB.id}", 1, NAME, len(TEXT), 2, b"")])
    assert outputs.list_watched_attempts([JOB])[0].offsets[NAME] == 0


def test_standard_output_is_the_log_to_the_byte(settings: Settings) -> None:
    outputs = OutputRecorder(settings)
    for begin, end in ((0, 4), (0, 6), (4, 6), (6, 8)):
        outputs.record_pieces([JOB], [OutputPiece(f"j{JOB.id}", 1, STDOUT_FILE, begin, 8, b"ab\n\xffcd\ne"[begin:end])])
    assert outputs.logs.get_path(JOB.id, 1).read_bytes() == b"ab\n\xffcd\ne"


def test_a_job_of_which_outputs_say_nothing_makes_no_run(settings: Settings) -> None:
    plain = msgspec.structs.replace(JOB, status=JobStatus.COMPLETED, metadata={"site": "here", "profile": "command"})
    OutputRecorder(settings).record_pieces([plain], [OutputPiece(f"j{JOB.id}", 1, STDOUT_FILE, 0, 1, b"x")])
    with LocalStore(settings) as store:
        assert store.projects() == []
