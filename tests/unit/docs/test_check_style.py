import pytest

from tools.check_style import check_names_and_prose, find_circles, imports_of

QUOTES = '"""'


@pytest.mark.parametrize(
    ("source", "violation"),
    [
        (f"{QUOTES}What a server has.{QUOTES}", "begins with a clause"),
        (f"def f():\n    {QUOTES}Whether it is so.{QUOTES}", "begins with a clause"),
        (QUOTES + "x" * 101 + QUOTES, "has 101 characters"),
        (f"class Told:\n    {QUOTES}A thing.{QUOTES}", "participle"),
        ("# the colour of a line", "American spelling: colour"),
        ("def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
    ],
)
def test_a_violation_is_named(source: str, violation: str):
    [found] = check_names_and_prose(source)
    assert violation in found


@pytest.mark.parametrize(
    "source",
    [
        QUOTES + "x" * 100 + QUOTES,
        f"class Field:\n    {QUOTES}A field.{QUOTES}",
        "def f():\n" + "    x = 1\n" * 59,
        "# neighboring, cancelled",
    ],
)
def test_plain_names_and_prose_pass(source: str):
    assert list(check_names_and_prose(source)) == []


def test_files_that_import_each_other_are_a_circle():
    assert find_circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert find_circles({"a": {"b"}, "b": set()}) == []


def test_imports_for_types_and_inside_functions_do_not_count():
    source = "from t import a\nif TYPE_CHECKING:\n    from t import b\ndef f():\n    from t import c"
    assert imports_of(source, {"t.a", "t.b", "t.c"}) == {"t.a"}
