"""What `deploy/` starts exists."""

import json
import re
import shlex
from pathlib import Path

from tools.cli_reference import iter_commands

DEPLOY = Path(__file__).parents[3] / "deploy" / "syncer"


def options(words: list[str]) -> set[str]:
    """The options among the words of a command."""
    return {word for word in words if word.startswith("--")}


def known() -> set[str]:
    """Those of `tasuki syncer`."""
    return {option for parameter in dict(iter_commands())[("syncer",)].params for option in parameter.opts}


def test_the_unit_starts_a_syncer_with_options_that_there_are() -> None:
    unit = (DEPLOY / "tasuki-syncer@.service").read_text()
    words = shlex.split(re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0])
    assert words[:2] == ["/usr/local/bin/tasuki", "syncer"]
    assert options(words) <= known()


def test_the_image_starts_a_syncer_with_options_that_there_are() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    words = [word for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", text, re.MULTILINE) for word in json.loads(line)]
    assert words[:2] == ["tasuki", "syncer"]
    assert options(words) <= known()
    for copied in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE):
        assert all((DEPLOY.parents[1] / path).exists() for path in copied.split())
