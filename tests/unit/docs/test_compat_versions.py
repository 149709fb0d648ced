import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
VERSIONS = tomllib.loads((ROOT / "tests/compat/versions.toml").read_text())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_to_be_understood_is_a_commit_of_this_history(version: str) -> None:
    commit = VERSIONS[version]["commit"]
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], cwd=ROOT, check=True)
    pyproject = subprocess.run(["git", "show", f"{commit}:pyproject.toml"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert tomllib.loads(pyproject.stdout)["project"]["version"] == version
