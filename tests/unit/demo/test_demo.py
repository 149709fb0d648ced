import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tasuki.cli.demo import report_check
from tasuki.cli.shared.messages import report_errors
from tasuki.client.verify_remote import StreamDifference, VerifyResult
from tasuki.demo.check import check_call_log, list_run_statuses, wait_for_projection
from tasuki.errors import MissingRecords
from tasuki.records import Alert, Status
from tasuki.testing import FakeClock, MemoryStore
from tests.support.recorded_runs import BEGAN, add_run

NAN = float("nan")
CALLS = [{"train/loss": 2.5}, {"train/loss": 0.1}, {"val/acc": 0.5}, {"train/loss": NAN}]
ALERT = Alert(time=BEGAN + 1, title="the loss is NaN")
LINES: list[dict[str, Any]] = [
    {"run": "abc1", "name": "lr-0.1"},
    *({"run": "abc1", "step": step, "values": {k: v.hex() for k, v in values.items()}} for step, values in enumerate(CALLS)),
    {"run": "abc1", "alert": "the loss is NaN"},
    {"run": "abc1", "status": "failed"},
]


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    add_run(store, "abc1", CALLS, name="lr-0.1", group="demo-1", more=[ALERT], status=Status.FAILED)
    return store


def ledger(folder: Path, lines: Iterable[dict[str, Any]]) -> Path:
    path = folder / "ledger.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_store_that_has_every_record_passes(store: MemoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = check_call_log(store, ledger(tmp_path, LINES))
    assert checked == (7, 1, [])
    report_check(checked, VerifyResult(1, 7, []), "http://here")
    assert capsys.readouterr().out == "checked: 7 records in 1 runs, all on the server\n"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*LINES, {"run": "abc1", "step": 4, "values": {"train/loss": (1.0).hex()}}], "1 calls of log() are missing"),
        ([line for line in LINES if line.get("step") != 1], "1 calls of log() are too many"),
        ([line | ({"step": 7} if line.get("step") == 1 else {}) for line in LINES], "1 calls of log() are missing"),
        ([*LINES, {"run": "abc1", "alert": "the loss is NaN"}], "1 alerts are missing"),
        ([*LINES, {"run": "gone", "name": "x"}], "run gone is not there"),
        ([*LINES[:-1], {"run": "abc1", "status": "finished"}], "it finished, and is failed there"),
        ([{"run": "abc1", "name": "lr-0.2"}, *LINES[1:]], "its name is lr-0.1 there"),
    ],
)
def test_whatever_differs_is_named_and_exits_with_6(
    store: MemoryStore, tmp_path: Path, lines: list[dict[str, Any]], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = check_call_log(store, ledger(tmp_path, lines))
    with pytest.raises(SystemExit) as exit, report_errors():
        report_check(checked, VerifyResult(1, 7, []), "http://here")
    assert exit.value.code == 6
    output = capsys.readouterr()
    assert words in output.err
    assert "checked:" not in output.out


def test_a_stream_that_differs_is_named_and_exits_with_6(store: MemoryStore, tmp_path: Path) -> None:
    differing = VerifyResult(1, 7, [StreamDifference("digits", "abc1", "f" * 32, "2 records are missing there, from 90 on", 2)])
    with pytest.raises(MissingRecords):
        report_check(check_call_log(store, ledger(tmp_path, LINES)), differing, "http://here")


def test_a_value_off_by_its_last_bit_is_found(store: MemoryStore, tmp_path: Path) -> None:
    off = {"run": "abc1", "step": 1, "values": {"train/loss": "0x1.999999999999bp-4"}}
    assert len(check_call_log(store, ledger(tmp_path, [*LINES[:2], off, *LINES[3:]])).problems) == 2


def test_a_record_that_is_twice_in_the_store_is_found(store: MemoryStore, tmp_path: Path) -> None:
    add_run(store, "abc1", [{"train/loss": 2.5}], name="lr-0.1")
    [problem] = check_call_log(store, ledger(tmp_path, LINES)).problems
    assert "1 calls of log() are too many" in problem


def test_standings_are_of_one_demo_only(store: MemoryStore) -> None:
    add_run(store, "abc2", [], group="demo-2")
    [run] = list_run_statuses(store, "demo-1")
    assert (run.name, run.step, run.best_loss, run.accuracy, run.status) == ("lr-0.1", 3, 0.1, 0.5, Status.FAILED)
    assert str(run.loss) == "nan"
    assert list_run_statuses(store, "demo-2")[0][1:6] == (None, None, None, None, None)
    assert list_run_statuses(MemoryStore(), "demo-1") == []


class Behind(MemoryStore):
    """A store that is some records behind, fewer at each question."""

    def __init__(self, missing: int, clock: FakeClock) -> None:
        super().__init__()
        self.missing = missing
        self.clock = clock

    def projects(self) -> list[Any]:
        self.clock.sleep(2)
        self.missing = max(0, self.missing - 1)
        return []


def test_settling_waits_for_a_store_that_catches_up() -> None:
    clock = FakeClock()
    store = Behind(5, clock)
    wait_for_projection(store, clock)
    assert store.missing == 0


def test_settling_gives_up_on_a_store_that_stays_behind() -> None:
    clock = FakeClock()
    with pytest.raises(MissingRecords, match="records behind"):
        wait_for_projection(Behind(1000, clock), clock)
