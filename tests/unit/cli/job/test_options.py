from pathlib import Path

import pytest

from tasuki.cli.job.job import select_statuses
from tasuki.cli.job.options import parse_environment, parse_inputs, parse_pairs
from tasuki.cli.job.tables import strip_escape_sequences
from tasuki.errors import ConfigError

ACTIVE = ["pending", "uploading", "queued", "running"]


def test_values_are_json_where_they_are_that_and_text_otherwise() -> None:
    given = ["steps=1000", "prompt=a=b", "flags=[true, null]", "empty=", 'quoted="1000"']
    assert parse_pairs(given, "--input") == {
        "steps": 1000, "prompt": "a=b", "flags": [True, None], "empty": "", "quoted": "1000",
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["steps", "=1", ""])
def test_what_is_no_pair_is_refused_with_what_to_type(pair: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_pairs([pair], "--meta")
    assert error.value.hint == "--meta NAME=VALUE"


def test_an_input_that_begins_with_an_at_is_the_files_content(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"\x00\xff")
    assert parse_inputs([f"image=@{path}", "mail=a@b"]) == {"image": "data:image/png;base64,AP8=", "mail": "a@b"}
    with pytest.raises(ConfigError, match="can't be read"):
        parse_inputs([f"image=@{path}x"])


def test_a_variable_without_a_value_is_ours_and_one_that_is_not_set_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "here")
    assert parse_environment(["OURS", "A=b=c", "EMPTY="]) == {"OURS": "here", "A": "b=c", "EMPTY": ""}
    with pytest.raises(ConfigError, match="is not set here"):
        parse_environment(["NOT_SET_ANYWHERE"])


def test_states_are_those_named_among_the_active_ones() -> None:
    assert select_statuses([], []) == ()
    assert select_statuses([], ACTIVE) == tuple(ACTIVE)
    assert select_statuses(["failed", "running"], []) == ("failed", "running")
    assert select_statuses(["failed", "running"], ACTIVE) == ("running",)
    for named, active in ((["asleep"], []), (["failed"], ACTIVE)):
        with pytest.raises(ConfigError):
            select_statuses(named, active)


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
    assert strip_escape_sequences(line) == shown
