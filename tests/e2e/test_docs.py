import re
from pathlib import Path

import pytest

from tests.e2e.shell import in_a_shell, python
from tests.remotes import Server

ROOT = Path(__file__).parents[2]
SHOWN = "exec|job|run (?!stop)|best|compare|summary|alert|export|completion|note|query|doctor|verify|sync|remote|token"
COMMAND = re.compile(rf"^(tasuki (?:{SHOWN}).*?)(?:  #.*)?$", re.MULTILINE)
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("agents", "alerts", "answers", "notes", "quickstart", "runs"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_python_blocks_run_one_after_the_other_and_then_the_commands(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Server(tmp_path / "server") as server:
        text = (ROOT / page).read_text().replace("http://127.0.0.1:7700", server.url)
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert blocks
        for block in blocks:
            python(tmp_path / "data", block)
        commands = COMMAND.findall(text)
        assert commands
        for command in commands:
            done = in_a_shell(tmp_path / "data", command)
            assert done.returncode == 0, f"{command}: {done.stderr}"
