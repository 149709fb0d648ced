import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasuki.errors import ConfigError
from tasuki.journal import normalize_project_name, project_folder_name, validate_run_id


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "../../etc/passwd",
        "/etc",
        "..",
        ".",
        "a/b\\c",
        "C:\\x",
        "~",
        "$(rm -rf)",
        "-rf",
        "💥 ünïcode 日本語",
        "x" * 300,
        "日" * 300,
        "con",
        "a b",
        "%2e%2e",
        "\u202eabc",
    ],
)
def test_any_text_is_a_name_and_its_folder_stays_inside(name: str, tmp_path: Path):
    folder = tmp_path / project_folder_name(normalize_project_name(name))
    folder.mkdir()
    assert folder.resolve().parent == tmp_path.resolve()
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{12}", folder.name)


@given(st.text(min_size=1, max_size=1200))
def test_a_name_works_or_is_refused_and_never_leads_outside(name: str):
    try:
        kept = normalize_project_name(name)
    except ConfigError:
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", project_folder_name(kept))
    assert normalize_project_name(kept) == kept


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_two_names_have_two_folders(one: str, other: str):
    assume(one != other)
    assert project_folder_name(one) != project_folder_name(other)


def test_names_that_differ_only_in_case_have_folders_that_differ_in_more():
    assert project_folder_name("Digits").lower() != project_folder_name("digits").lower()


def test_one_name_written_in_two_normal_forms_is_one_project():
    name = "café"
    assert normalize_project_name(unicodedata.normalize("NFD", name)) == normalize_project_name(unicodedata.normalize("NFC", name))


def test_spaces_around_a_name_do_not_count():
    assert normalize_project_name("  digits\t\n") == "digits"


def test_the_folder_says_the_project():
    assert project_folder_name("My Project: Ünder_test!").startswith("my-project-under-test-")
    assert project_folder_name("日本語").startswith("project-")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("x" * 1001, "1001 characters; 1000 are the most"),
        ("a\nb", "can't be shown"),
        ("a\x00b", "can't be shown"),
        ("a\x1b[31mb", "can't be shown"),
        ("a\u2028b", "can't be shown"),
        ("a\ud800b", "can't be shown"),
    ],
)
def test_what_can_not_be_a_name_is_refused_with_the_reason(name: str, message: str):
    with pytest.raises(ConfigError, match=message):
        normalize_project_name(name)


@pytest.mark.parametrize("name", [None, 3, b"digits", Path("digits")])
def test_what_is_no_text_is_refused(name: object):
    with pytest.raises(ConfigError, match="is a string"):
        normalize_project_name(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("given_id", ["a", "A1", "2024.01_x-y", "x" * 64])
def test_a_run_id_is_kept_as_given(given_id: str):
    assert validate_run_id(given_id) == given_id


@pytest.mark.parametrize("given_id", ["", "x" * 65, "a/b", "..", ".a", "-a", "é", "a b", "a\n"])
def test_a_run_id_of_anything_else_is_refused(given_id: str):
    with pytest.raises(ConfigError, match="can't be a run's id"):
        validate_run_id(given_id)
