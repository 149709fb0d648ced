from pathlib import Path

import pytest

from tasuki.cli.job.job import statuses_from
from tasuki.cli.job.options import environment_from, inputs_from, pairs_from
from tasuki.cli.job.tables import plain_line
from tasuki.errors import ConfigError

ACTIVE = ["pending", "uploading", "queued", "running"]


def test_values_are_json_where_they_are_that_and_text_otherwise() -> None:
    given = ["steps=1000", "prompt=a=b", "flags=[true, null]", "empty=", 'quoted="1000"']
    assert pairs_from(given, "--input") == {
        "steps": 1000, "prompt": "a=b", "flags": [True, None], "empty": "", "quoted": "1000",
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["steps", "=1", ""])
def test_what_is_no_pair_is_refused_with_what_to_type(pair: str) -> None:
    with pytest.raises(ConfigError) as error:
        pairs_from([pair], "--meta")
    assert error.value.hint == "--meta NAME=VALUE"


def test_an_input_that_begins_with_an_at_is_the_files_content(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"\x00\xff")
    assert inputs_from([f"image=@{path}", "mail=a@b"]) == {"image": "data:image/png;base64,AP8=", "mail": "a@b"}
    with pytest.raises(ConfigError, match="can't be read"):
        inputs_from([f"image=@{path}x"])


def test_a_variable_without_a_value_is_ours_and_one_that_is_not_set_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "here")
    assert environment_from(["OURS", "A=b=c", "EMPTY="]) == {"OURS": "here", "A": "b=c", "EMPTY": ""}
    with pytest.raises(ConfigError, match="is not set here"):
        environment_from(["NOT_SET_ANYWHERE"])


def test_states_are_those_named_among_the_active_ones() -> None:
    assert statuses_from([], []) == ()
    assert statuses_from([], ACTIVE) == tuple(ACTIVE)
    assert statuses_from(["failed", "running"], []) == ("failed", "running")
    assert statuses_from(["failed", "running"], ACTIVE) == ("running",)
    for named, active in ((["asleep"], []), (["failed"], ACTIVE)):
        with pytest.raises(ConfigError):
            statuses_from(named, active)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;https://x\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("10%\r100%\r", "100%"),
        ("a\tb\x08\x07", "a       b��"),
        ("\x1b", ""),
        ("", ""),
    ],
)
def test_a_terminal_gets_a_line_without_what_steers_it(line: str, shown: str) -> None:
    assert plain_line(line) == shown
