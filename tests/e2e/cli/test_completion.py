"""What a shell offers when a user presses Tab: real bash, and the names that are in the folder."""

import subprocess
from pathlib import Path

import pytest

from tests.support.shell import TASUKI, environment, in_a_shell, python, tasuki

RECORDED = """
import tasuki
for name, id in (("lr-0.1", "one"), ("lr-0.01", "two"), ("lr-0.01", "three")):
    with tasuki.init("digits", name, id=id) as run:
        run.log({"train/loss": 1, "train/acc": 1, "val/acc": 1})
tasuki.init("vision", "other", id="four").finish()
"""
BASH = """
eval "$(tasuki completion bash)"
COMP_WORDS=({words}) COMP_CWORD={place}
_tasuki_completion tasuki
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    python(folder, RECORDED)
    assert tasuki(folder, "run", "list", "--project", "digits").returncode == 0
    return folder


def completed(folder: Path, line: str) -> list[str]:
    """What bash is offered for a line."""
    place = str(len(line.split(" ")) - 1)
    variables = environment(folder, COMP_WORDS=line, COMP_CWORD=place, _TASUKI_COMPLETE="complete_bash")
    done = subprocess.run(TASUKI, env=variables, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tasuki run show lr", ["lr-0.1"]),
        ("tasuki run show t", ["three", "two"]),
        ("tasuki run show --project vision ", ["four", "other"]),
        ("tasuki run list --project d", ["digits"]),
        ("tasuki best val", ["val/acc"]),
        ("tasuki compare one --metrics val/acc,train/a", ["val/acc,train/acc"]),
        ("tasuki comp", ["compare", "completion"]),
    ],
)
def test_names_are_offered_that_begin_so(folder: Path, line: str, words: list[str]) -> None:
    assert sorted(completed(folder, line)) == words


def test_bash_itself_completes(folder: Path) -> None:
    done = in_a_shell(folder, BASH.format(words="tasuki run show lr-0", place=3))
    assert (done.returncode, done.stdout.split()) == (0, ["lr-0.1"]), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_there_is_a_script_for_other_shells(folder: Path, shell: str) -> None:
    done = tasuki(folder, "completion", shell)
    assert done.returncode == 0
    assert "_TASUKI_COMPLETE=complete_" + shell in done.stdout


def test_where_there_is_no_store_nothing_is_offered_and_nothing_is_said(tmp_path: Path) -> None:
    assert completed(tmp_path / "new", "tasuki run show ") == []
    assert not (tmp_path / "new").exists()
