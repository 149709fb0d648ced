import json
from pathlib import Path

import msgspec
import pytest

from tasuki.journal import stop_file_path, write_stop_file
from tasuki.records import StopCommand


def test_a_message_lies_where_the_run_looks_for_it(tmp_path: Path):
    write_stop_file(tmp_path, StopCommand(run="r1", attempt="a1", stop="dashboard"))
    path = stop_file_path(tmp_path, "r1", "a1")
    assert path == tmp_path / "control" / "r1.a1"
    assert json.loads(path.read_bytes()) == {"run": "r1", "attempt": "a1", "stop": "dashboard"}
    assert msgspec.json.decode(path.read_bytes(), type=StopCommand).stop == "dashboard"


@pytest.mark.parametrize(("run", "attempt"), [("../x", "a"), ("r", "../../x"), ("", "a"), ("r", ""), ("r/s", "a"), (".r", "a")])
def test_what_can_be_no_name_of_a_run_writes_nothing(tmp_path: Path, run: str, attempt: str):
    write_stop_file(tmp_path, StopCommand(run=run, attempt=attempt, stop="x"))
    assert list(tmp_path.rglob("*")) == []
