import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasuki.mcp.tools import Tools
from tools.cli_reference import build_cli_page, build_settings_table, iter_commands

ROOT = Path(__file__).parents[3]
DOCS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMANDS = dict(iter_commands())


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def typed() -> Iterator[tuple[str, str]]:
    """Every `tasuki …` line of a shell block, and where it stands."""
    for path in DOCS:
        for block in blocks(path, "sh"):
            for line in block.splitlines():
                if line.startswith("tasuki "):
                    yield path.name, line.split("  #")[0].split(" | ")[0].split(" < ")[0]


def test_the_reference_of_commands_is_what_the_commands_say() -> None:
    assert (ROOT / "docs/cli.md").read_text() == build_cli_page(), "python -m tools.cli_reference > docs/cli.md"


def test_the_table_of_settings_is_what_the_settings_say() -> None:
    assert build_settings_table() in (ROOT / "docs/settings.md").read_text(), "python -m tools.cli_reference settings"


def test_the_readme_begins_with_two_commands() -> None:
    first, *_ = blocks(ROOT / "README.md", "sh")
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]
    assert (ROOT / "README.md").read_text().splitlines().index("make test" + first.split("make test")[1].rstrip()) < 12


@pytest.mark.parametrize(("page", "line"), list(typed()))
def test_a_command_in_the_docs_exists(page: str, line: str) -> None:
    words = shlex.split(line.split(" -- ")[0])[1:]
    path = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in COMMANDS), None)
    assert path, f"{page}: there is no {line!r}"
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("page", DOCS, ids=lambda path: path.name)
def test_a_link_in_the_docs_leads_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_test_that_the_durability_page_names_exists() -> None:
    named = re.findall(r"`([a-z0-9_]+/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs/durability.md").read_text())
    assert len(named) > 15
    for path, name in named:
        assert f"def {name}(" in (ROOT / "tests" / path).read_text() if name else (ROOT / "tests" / path).exists(), (path, name)


LLMS = ROOT / "src/tasuki/web/static/llms.txt"


@pytest.mark.parametrize("line", re.findall(r"^    (tasuki .*)$", LLMS.read_text(), re.MULTILINE))
def test_a_command_that_agents_are_told_of_exists(line: str) -> None:
    words = shlex.split(line)[1:]
    path = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in COMMANDS), None)
    assert path, f"there is no {line!r}"
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_agents_are_told_of_every_tool() -> None:
    named = re.search(r"on standard input and output: ([a-z_,\s]+)\.", LLMS.read_text())
    assert named
    assert re.findall(r"[a-z_]+", named[1]) == [tool.__name__ for tool in Tools(None, None).list_tools()]
