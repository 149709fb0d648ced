import re
from pathlib import Path

import pytest

from tests.support.remote_server import Server
from tests.support.shell import in_a_shell, python

ROOT = Path(__file__).parents[3]
HERE = "exec|job (?!submit calc)|run (?!stop)|best|compare|summary|alert|export"
SHOWN = f"{HERE}|completion|note|query|doctor|verify|sync|remote|token"
COMMAND = re.compile(rf"^(tasuki (?:{SHOWN})\b.*?)(?:  #.*)?$", re.MULTILINE)
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


def test_the_page_of_volumes_runs(tmp_path: Path) -> None:
    """Its Python, and its commands; a syncer makes one round only."""
    volume = tmp_path / "volume"
    volume.mkdir()
    with Server(tmp_path / "server") as server:
        text = (ROOT / "docs/volumes.md").read_text().replace("/mnt/shared", str(volume))
        for address in ("https://tasuki.example", "http://127.0.0.1:7700"):
            text = text.replace(address, server.url)
        for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            assert "[syncer]" in python(tmp_path / "data", block)
        commands = re.findall(r"^(tasuki .*?)(?:  #.*)?$", text, re.MULTILINE)
        assert len(commands) == 4
        for command in commands:
            line = command.replace(" --watch", "") + (" --once" if " syncer " in command else "")
            done = in_a_shell(tmp_path / "data", f"TRACKIO_DIR={volume} {line}")
            assert done.returncode == 0, f"{line}: {done.stderr}"
