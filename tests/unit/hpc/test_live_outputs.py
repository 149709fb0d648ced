"""What is new in outputs comes once, of the right attempt, whatever is written meanwhile."""

import os
import subprocess
from pathlib import Path

import pytest

from tasuki.hpc.live_outputs import OUTPUTS_MARKER, STDOUT_FILE, OutputPiece, WatchedAttempt, build_outputs_script, parse_outputs
from tests.unit.hpc.schedulers.test_schedulers import SHELLS

ODD = bytes(range(256)) + b"\n\noutputs\nj1 1 stdout.txt 0 9 9\nno line end"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    begun = tmp_path / "started/j1.1/sid"
    begun.parent.mkdir(parents=True)
    begun.write_text("7\n")
    os.utime(begun, (1000, 1000))
    (tmp_path / "jobs/j1").mkdir(parents=True)
    (tmp_path / "jobs/j1" / STDOUT_FILE).write_bytes(ODD)
    (tmp_path / "jobs/j1/OSZICAR").write_text("one\ntw")
    return tmp_path


def ask(root: Path, *watched: WatchedAttempt, shell: str = "sh") -> list[OutputPiece]:
    said = subprocess.run(
        [*shell.split(), "-c", build_outputs_script(watched)], cwd=root, stdout=subprocess.PIPE, check=True
    ).stdout
    assert said.startswith(b"outputs\n") or not watched
    return parse_outputs(said.removeprefix(OUTPUTS_MARKER))


@pytest.mark.parametrize("shell", SHELLS)
def test_what_lies_behind_an_offset_comes_to_the_byte(root: Path, shell: str) -> None:
    first = ask(
        root,
        WatchedAttempt("j1", 1, {STDOUT_FILE: 0, "OSZICAR": 0, "absent": 0}),
        WatchedAttempt("j2", 1, {STDOUT_FILE: 0}),
        shell=shell,
    )
    assert first == [
        OutputPiece("j1", 1, STDOUT_FILE, 0, len(ODD), ODD),
        OutputPiece("j1", 1, "OSZICAR", 0, 6, b"one\ntw"),
    ]
    with (root / "jobs/j1/OSZICAR").open("a") as file:
        file.write("o\n")
    assert ask(root, WatchedAttempt("j1", 1, {STDOUT_FILE: len(ODD), "OSZICAR": 6}), shell=shell) == [
        OutputPiece("j1", 1, STDOUT_FILE, len(ODD), len(ODD), b""),
        OutputPiece("j1", 1, "OSZICAR", 6, 8, b"o\n"),
    ]


def test_nothing_comes_of_an_attempt_that_is_not_the_one_that_writes(root: Path) -> None:
    """Not of one that has not begun, nor of one behind which another has, nor what that one has found there."""
    assert ask(root, WatchedAttempt("j1", 2, {STDOUT_FILE: 0})) == []
    (root / "started/j1.2").mkdir()
    (root / "started/j1.2/sid").write_text("8\n")
    os.utime(root / "jobs/j1/OSZICAR", (2000, 2000))
    os.utime(root / "started/j1.2/sid", (3000, 3000))
    assert ask(root, WatchedAttempt("j1", 1, {"OSZICAR": 0})) == []
    assert ask(root, WatchedAttempt("j1", 2, {"OSZICAR": 0})) == []
    os.utime(root / "jobs/j1/OSZICAR", (4000, 4000))
    assert [piece.data for piece in ask(root, WatchedAttempt("j1", 2, {"OSZICAR": 0}))] == [b"one\ntw"]


def test_a_file_that_was_begun_anew_says_so(root: Path) -> None:
    (piece,) = ask(root, WatchedAttempt("j1", 1, {"OSZICAR": 100}))
    assert (piece.offset, piece.size, piece.data) == (100, 6, b"")


def test_what_was_cut_while_it_was_read_ends_the_answer() -> None:
    whole = b"j1 1 a 0 3 3\nabc\nj1 1 b 0 3 3\nabc\n"
    assert [piece.name for piece in parse_outputs(whole)] == ["a", "b"]
    assert [piece.name for piece in parse_outputs(whole[:-2])] == ["a"]
    assert [piece.name for piece in parse_outputs(whole.replace(b"0 3 3\nabc\nj1 1 b", b"0 3 3\na\nj1 1 b"))] == []
    assert parse_outputs(b"") == parse_outputs(b"sh: not found\n") == []
