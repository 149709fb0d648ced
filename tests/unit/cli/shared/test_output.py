import io
import json
from contextlib import redirect_stdout
from datetime import UTC, datetime

import pytest

from tasuki.cli.shared.output import Table, build_rich_table, get_style, write_result
from tasuki.records import Status

LONG = "a name of more than forty characters, far more"
TABLE = Table(["name", "loss", "status"], [[LONG, 0.123456789, Status.FAILED], ["[red]b[/]\t", None, Status.FINISHED]])


class Terminal(io.StringIO):
    """A stdout that a person looks at."""

    def isatty(self) -> bool:
        return True


class Latin(io.TextIOWrapper):
    """A stdout that can't say everything."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="latin-1")


def written(stdout: io.TextIOBase, *, as_json: bool = False) -> str:
    with redirect_stdout(stdout):  # type: ignore[type-var]
        write_result("test/1", {"rows": [{"name": LONG, "loss": float("nan")}]}, TABLE, as_json=as_json)
    stdout.seek(0)
    return stdout.read()


def test_a_terminal_gets_a_table_with_cut_names() -> None:
    text = written(Terminal())
    assert "a name of more than forty characters, f…" in text
    assert "0.1235" in text
    assert "[red]b[/]�" in text


def test_a_pipe_gets_tsv_in_full() -> None:
    assert written(io.StringIO()).splitlines() == [
        "name\tloss\tstatus",
        f"{LONG}\t0.123456789\tfailed",
        "[red]b[/]\\t\t\tfinished",
    ]


@pytest.mark.parametrize("stdout", [Terminal(), io.StringIO()])
def test_json_is_one_object_with_its_schema_wherever_it_goes(stdout: io.StringIO) -> None:
    assert json.loads(written(stdout, as_json=True)) == {"schema": "tasuki/test/1", "rows": [{"name": LONG, "loss": "NaN"}]}


def test_json_is_valid_on_a_stdout_that_lacks_characters() -> None:
    stdout = Latin()
    with redirect_stdout(stdout):
        write_result("test/1", {"name": "日本 é"}, TABLE, as_json=True)
    stdout.seek(0)
    assert json.load(stdout)["name"] == "日本 é"


def test_numbers_stand_to_the_right() -> None:
    justified = [column.justify for column in build_rich_table(TABLE, datetime(2027, 1, 1, tzinfo=UTC)).columns]
    assert justified == ["left", "right", "left"]


def test_only_states_are_coloured() -> None:
    assert [get_style(value) for value in (Status.FAILED, Status.RUNNING, "failed", 1)] == ["red", "cyan", "", ""]
