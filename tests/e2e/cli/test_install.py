"""`tasuki install` on an agent's configuration, and write-through whatever that configuration is."""

import subprocess
from pathlib import Path

import pytest

from tests.support.servers import Server, serving
from tests.support.shell import python, tasuki

HOOK = "hooks:\n  on_session_end:\n    - command: tasuki sync\n"
NOTING = """
from tasuki import Brain
with Brain({folder!r}, {remote!r}) as brain:
    for n in range({first}, {first} + 20):
        brain.correct(f"draft {{n}}", f"final {{n}}")
print(brain.id)
"""


def install(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tasuki(home / "data", "install", "--agent", "hermes", *arguments, HERMES_HOME=str(home))


def test_a_configuration_is_made_where_there_is_none(tmp_path: Path) -> None:
    assert install(tmp_path / "new").returncode == 0
    assert "env_passthrough" in (tmp_path / "new" / "config.yaml").read_text()


def test_a_configuration_is_edited_with_a_backup_and_its_mode_and_once(tmp_path: Path) -> None:
    file, backup = tmp_path / "config.yaml", tmp_path / "config.yaml.before-tasuki"
    file.write_text(f"# mine\n{HOOK}    - command: keep\n")
    file.chmod(0o640)
    assert install(tmp_path).returncode == 0
    assert file.read_text().startswith("# mine\nhooks:\n  on_session_end:\n    - command: keep\nterminal:\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert backup.read_text() == f"# mine\n{HOOK}    - command: keep\n"
    before = file.stat()
    again = install(tmp_path)
    assert (again.returncode, "set up already" in again.stderr) == (0, True)
    assert file.stat() == before
    assert backup.read_text().startswith(f"# mine\n{HOOK}")


def test_a_link_to_a_configuration_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles.yaml").write_text("a: 1\n")
    (tmp_path / "config.yaml").symlink_to("dotfiles.yaml")
    assert install(tmp_path).returncode == 0
    assert (tmp_path / "config.yaml").is_symlink()
    assert "env_passthrough" in (tmp_path / "dotfiles.yaml").read_text()


def test_a_dry_run_prints_the_difference_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(HOOK)
    done = install(tmp_path, "--dry-run")
    assert done.returncode == 0
    assert "-    - command: tasuki sync\n" in done.stdout
    assert "+terminal:\n" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_text() == HOOK


@pytest.mark.parametrize("broken", [b"a: [1\n", b"\xff\xfe\x00a", b"- a\n"])
def test_a_broken_configuration_is_refused_untouched(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(broken)
    done = install(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.yaml" in done.stderr
    assert "nothing was changed" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert (tmp_path / "config.yaml").read_bytes() == broken


def test_another_agent_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    done = tasuki(tmp_path, "install", "--agent", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'nobody'" in done.stderr
    assert "the agents are: hermes" in done.stderr


# -- delivery does not hang on any of it


def notes_at(server: Server, brain: str) -> list[str]:
    """The ids of a brain's notes on the server, once it has projected what it has."""
    answer = server.get("notes", brain=brain, limit=1000)
    while answer.status_code == 200 and answer.json().get("missing"):
        answer = server.get("notes", brain=brain, limit=1000)
    return sorted(note["event_id"] for note in answer.json().get("notes", []))


@pytest.mark.parametrize("configuration", ["none", "broken", "removed"])
def test_notes_are_delivered_whatever_the_agents_configuration_is(tmp_path: Path, configuration: str) -> None:
    home = tmp_path / "hermes"
    home.mkdir()
    if configuration != "none":
        (home / "config.yaml").write_text(HOOK if configuration == "removed" else "a: [1\n")
        assert install(home).returncode == (0 if configuration == "removed" else 2)
    with serving(tmp_path / "server") as server:
        script = NOTING.format(folder=str(tmp_path / "brain"), remote=server.url, first=0)
        brain = python(tmp_path / "brain", script, HERMES_HOME=str(home)).strip()
        assert len(notes_at(server, brain)) == 20


def test_the_switch_and_cron_deliver_and_switching_back_changes_no_row(tmp_path: Path) -> None:
    folder = tmp_path / "brain"
    with serving(tmp_path / "server") as server:
        noting = {"folder": str(folder), "remote": server.url}
        off = {"TASUKI_DISABLE_WRITE_THROUGH": "1", "TASUKI_REMOTE": server.url}
        brain = python(folder, NOTING.format(**noting, first=0), **off).strip()
        assert server.get("notes", brain=brain).status_code == 404
        done = tasuki(folder, "sync", **off)
        assert done.returncode == 0, done.stderr
        by_cron = notes_at(server, brain)
        assert len(by_cron) == 20
        rows = server.json("notes", brain=brain, limit=1000)["notes"]
        python(folder, f"from tasuki import Brain\nBrain({str(folder)!r}, {server.url!r}).close()")
        assert server.json("notes", brain=brain, limit=1000)["notes"] == rows
        python(folder, NOTING.format(**noting, first=20))
        after = server.json("notes", brain=brain, limit=1000)["notes"]
        assert [note for note in after if note["event_id"] in by_cron] == rows
        assert len(notes_at(server, brain)) == 40
        verified = tasuki(folder, "verify", "--remote", server.url)
        assert verified.returncode == 0, verified.stdout
