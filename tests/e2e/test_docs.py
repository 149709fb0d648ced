import re
import shlex
from pathlib import Path

import pytest

from tests.e2e.shell import python, tasuki
from tests.remotes import Server

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_python_blocks_run_one_after_the_other_and_then_the_commands(page: str, tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        text = (ROOT / page).read_text().replace("http://127.0.0.1:7700", server.url)
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert blocks
        for block in blocks:
            python(tmp_path / "data", block)
        commands = re.findall(r"^(tasuki (?:run|query|doctor|verify|sync|remote).*?)(?:  #.*)?$", text, re.MULTILINE)
        assert commands
        for command in commands:
            done = tasuki(tmp_path / "data", *shlex.split(command)[1:])
            assert done.returncode == 0, f"{command}: {done.stderr}"
