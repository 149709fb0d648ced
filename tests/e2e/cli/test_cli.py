import json
import math
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell import TASUKI, environment, in_a_shell, python, tasuki

RUNS = """
import math, numpy, tasuki
with tasuki.init("digits", "a name\\twith a tab", id="one", config={"lr": 0.1, "nested": {"a": [1, None]}}, tags=["base"]) as run:
    for step in range(100):
        run.log({"train": {"loss": numpy.float32(1 / (step + 1))}}, step=step)
    run.log({"val/acc": 0.1 + 0.2})
    run.alert("loss is flat", level="warn", data={"window": 50})
with tasuki.init("digits", "diverged", id="two") as run:
    run.log({"train/loss": math.inf})
    run.log({"train/loss": math.nan})
    run.finish("failed", "diverged")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    python(folder, RUNS)
    return folder


@pytest.fixture(scope="module")
def two_projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    python(folder, "import tasuki\nfor p in 'digits', 'vision':\n    tasuki.init(p, id='one').finish()")
    return folder


def document(folder: Path, *arguments: str) -> dict[str, object]:
    done = tasuki(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def tsv(folder: Path, *arguments: str) -> list[list[str]]:
    done = tasuki(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_list_in_a_pipe(folder: Path) -> None:
    header, one, two = tsv(folder, "run", "list")
    assert header == ["name", "id", "status", "points", "created", "duration", "train/loss", "val/acc"]
    assert (one[:4], one[6:]) == (
        ["a name\\twith a tab", "one", "finished", "101"],
        ["0.009999999776482582", "0.30000000000000004"],
    )
    assert (two[:4], two[6:]) == (["diverged", "two", "failed", "2"], ["NaN", ""])


def test_list_as_json(folder: Path) -> None:
    found = document(folder, "run", "list")
    assert found["schema"] == "tasuki/run-list/1"
    one, two = found["runs"]  # type: ignore[misc]
    assert one["name"] == "a name\twith a tab"
    assert one["config"] == {"lr": 0.1, "nested": {"a": [1, None]}}
    assert (two["reason"], two["last"]) == ("diverged", {"train/loss": "NaN"})


def test_show_as_json(folder: Path) -> None:
    found = document(folder, "run", "show", "diverged")
    assert found["schema"] == "tasuki/run-show/1"
    assert found["metrics"]["train/loss"]["max"] == "Infinity"  # type: ignore[index]
    alerts = document(folder, "run", "show", "on")["alerts"]
    assert [(alert["title"], alert["data"]) for alert in alerts] == [("loss is flat", {"window": 50})]  # type: ignore[attr-defined]


def test_history_has_every_call_with_its_exact_values(folder: Path) -> None:
    header, *rows = tsv(folder, "run", "history", "one", "--metric", "train/loss")
    assert header == ["step", "time", "train/loss"]
    assert [int(row[0]) for row in rows] == list(range(100))
    assert math.isclose(float(rows[2][2]), 1 / 3, rel_tol=1e-6)
    both = document(folder, "run", "history", "one")["rows"]
    assert both[-1]["metrics"] == {"val/acc": 0.1 + 0.2}  # type: ignore[index]


def test_query_is_read_only_and_limited(folder: Path) -> None:
    assert tsv(folder, "query", "SELECT id, points FROM run ORDER BY id") == [["id", "points"], ["one", "101"], ["two", "2"]]
    assert tasuki(folder, "query", "-", text="SELECT 1 AS x").stdout == "x\n1\n"
    limited = tasuki(folder, "query", "SELECT id FROM run ORDER BY id", "--limit", "1", "--json")
    assert json.loads(limited.stdout) == {"schema": "tasuki/query/1", "columns": ["id"], "rows": [["one"]], "complete": False}
    assert "--limit" in limited.stderr
    for statement in ("DELETE FROM run", "PRAGMA user_version=3", "ATTACH '/tmp/x.db' AS x", "nonsense"):
        refused = tasuki(folder, "query", statement)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: ")


def test_doctor_verify_and_rebuild_of_a_sound_folder(folder: Path) -> None:
    found = document(folder, "doctor")
    assert (found["schema"], found["state"]) == ("tasuki/doctor/1", "ok")
    verified = document(folder, "verify")
    assert (verified["schema"], verified["writers"], verified["problems"]) == ("tasuki/verify/1", 2, [])
    rebuilt = tasuki(folder, "rebuild")
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "")
    assert re.search(r"rebuilt: \d+ records", rebuilt.stderr)
    assert len(tsv(folder, "run", "list")) == 3
    assert len(tsv(folder, "run", "list", "--status", "failed")) == 2
    assert len(tsv(folder, "run", "list", "--status", "failed", "--status", "finished")) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "show", "nope"], 3, "two (diverged)"),
        (["run", "list", "--project", "nope"], 3, "digits"),
        (["run", "history", "one", "--metric", "nope"], 3, "train/loss"),
        (["run", "nope"], 2, "--help"),
    ],
)
def test_what_is_not_there_exits_with_3_and_lists_what_is(folder: Path, arguments: list[str], code: int, words: str) -> None:
    done = tasuki(folder, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_several_projects_are_listed_and_one_must_be_named(two_projects: Path) -> None:
    done = tasuki(two_projects, "run", "list")
    assert done.returncode == 2
    assert "digits, vision" in done.stderr
    assert "vision" in tasuki(two_projects, "run", "list", "--project", "vision", "--json").stdout
    assert json.loads(tasuki(two_projects, "run", "list", "--json", TASUKI_PROJECT="digits").stdout)["project"] == "digits"


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    done = tasuki(tmp_path / "new", "run", "list")
    assert done.returncode == 2
    assert "tasuki.init" in done.stderr


def test_dir_goes_before_the_environment(folder: Path, tmp_path: Path) -> None:
    assert len(tasuki(tmp_path, "run", "list", "--dir", str(folder)).stdout.splitlines()) == 3


def test_a_damaged_journal_is_an_integrity_gap_and_degrades(tmp_path: Path) -> None:
    python(tmp_path, RUNS)
    [journal, _] = (tmp_path / "journal").glob("*/*.tsk")
    data = bytearray(journal.read_bytes())
    data[-20] ^= 0xFF
    journal.write_bytes(data)
    done = tasuki(tmp_path, "verify", "--json")
    assert done.returncode == 6
    assert journal.stem in {problem["writer"] for problem in json.loads(done.stdout)["problems"]}
    assert "error: " in done.stderr


def test_doctor_is_degraded_by_a_foreign_file(tmp_path: Path) -> None:
    python(tmp_path, "import tasuki; tasuki.init('digits').finish()")
    [journal] = (tmp_path / "journal").glob("*/*.tsk")
    (journal.parent / "foreign.tsk").write_bytes(b"not a journal")
    done = tasuki(tmp_path, "doctor")
    assert done.returncode == 1
    assert "foreign.tsk" in done.stdout


def test_doctor_is_broken_where_the_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = tasuki(tmp_path / "file", "doctor", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["state"] == "broken"
    listed = tasuki(tmp_path / "file", "run", "list")
    assert listed.returncode == 1
    assert listed.stderr.startswith("error: ")


def test_a_reader_that_goes_away_causes_no_traceback(folder: Path) -> None:
    with subprocess.Popen(
        [*TASUKI, "run", "history", "one"], env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_terminal_gets_a_table_without_colour_if_asked(folder: Path) -> None:
    plain, coloured = on_terminal(folder, NO_COLOR="1"), on_terminal(folder)
    assert "a name�with a tab" in plain
    assert "0.3000" in plain
    assert "\x1b[3" not in plain
    assert "\x1b[31mfailed" in coloured


def on_terminal(folder: Path, **more: str) -> str:
    """What `run list` shows a person."""
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [*TASUKI, "run", "list"], env=environment(folder, COLUMNS="140", TERM="xterm-256color", **more), stdout=theirs
    ):
        os.close(theirs)
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # how a terminal says that the other side has gone
            pass
    os.close(ours)
    return shown.decode()


def test_version_and_help_import_nothing_slow() -> None:
    script = "import sys\nfrom tasuki.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"rich", "numpy", "apsw", "msgspec", "zstandard", "yaml"} & set(done.stdout.splitlines()[-1].split()) == set()


def test_a_closed_stdout_is_no_trouble(folder: Path) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        assert in_a_shell(folder, f"tasuki run list {closed}").returncode == 0
