"""Whatever a name holds, a script does what it says."""

import subprocess
from pathlib import Path

import pytest

from tasuki.errors import ConfigError
from tasuki.hpc.agent import JobTicket, build_delivery_script, read_agent_source
from tasuki.hpc.host import Host, HostsFile
from tasuki.hpc.job_script import build_job_script, build_payload_script
from tasuki.hpc.schedulers.resources import Resources, format_walltime, parse_walltime
from tasuki.hpc.transports.protocol import quote_path

ODD = ["a'; echo foo", "two words", "ünïcödé ☃", "two\nlines", "$(id)", "`id`", '"', "\\", "-n", "*"]


def sh(script: str, **variables: str) -> str:
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"} | variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_values_reach_the_payload_as_they_are() -> None:
    asked = Resources(env={f"V{n}": value for n, value in enumerate(ODD)})
    script = build_payload_script("\n".join(f'printf "%s|" "$V{n}"' for n in range(len(ODD))), asked)
    assert sh(script) == "".join(f"{value}|" for value in ODD)


def test_modules_are_loaded_by_a_login_shell_and_one_that_is_missing_ends_the_job() -> None:
    script = build_payload_script("echo ran", Resources(modules=("vasp/6.4 beta", "a'; echo foo")))
    assert script.startswith("#!/bin/bash -l\n")
    assert sh(f"module() {{ printf '<%s>' \"$2\"; }}\n{script}") == "<vasp/6.4 beta><a'; echo foo>ran\n"
    assert sh(f"module() {{ return 0; }}\n{script}") == "ran\n"
    assert sh(f"(module() {{ return 3; }}\n{script}) || echo $?") == "3\n"


def test_a_job_knows_its_folder_by_where_it_was_submitted(tmp_path: Path) -> None:
    folder = tmp_path / "it's\nhere" / "jobs/j1"
    folder.mkdir(parents=True)
    (tmp_path / "it's\nhere/agent.sh").write_text('echo "$@" "$PWD"')
    for name in ("PBS_O_WORKDIR", "SLURM_SUBMIT_DIR"):
        assert sh(build_job_script("j1", "pbs", Resources()), **{name: str(folder)}) == f"run j1 1 {folder}\n"


@pytest.mark.parametrize("path", ["$HOME/tasuki", "~/tasuki", "${HOME}/tasuki", "$HOME", "~"])
def test_a_home_folder_is_the_one_over_there(path: str) -> None:
    assert sh(f"printf %s {quote_path(path)}", HOME="/home/some one") == "/home/some one" + ("/tasuki" if "tasuki" in path else "")


@pytest.mark.parametrize("path", [f"/scratch/{odd}" for odd in ODD] + ["$HOMER/x", "~user/x", "x/$HOME"])
def test_any_other_path_is_taken_as_it_is(path: str) -> None:
    assert sh(f"printf %s {quote_path(path)}", HOME="/h") == path


def test_what_no_scheduler_could_take_is_refused() -> None:
    for wrong in (
        {"queue": "a'; echo foo"},
        {"account": "a\n#PBS -q b"},
        {"modules": ("a\nb",)},
        {"env": {"a b": "c"}},
        {"nodes": 0},
        {"nodes": 2, "ntasks": 1},
        {"walltime": "soon"},
    ):
        with pytest.raises(ConfigError):
            Resources(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90m", 5400),
        ("2h", 7200),
        ("1.5d", 129600),
        ("1h30m", 5400),
        ("1:30:00", 5400),
        ("1:30:05", 5405),
        ("1-02:00:00", 93600),
    ],
)
def test_a_walltime_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert parse_walltime(text) == seconds
    assert parse_walltime(format_walltime(seconds)) == seconds


def test_a_ticket_goes_by_priority_then_number() -> None:
    names = [JobTicket("a", 2).file_name, JobTicket("b", 1).file_name, JobTicket("c", 3, priority=1).file_name]
    assert sorted(names) == ["100000003-c", "500000001-b", "500000002-a"]
    for id in ("a b", "1a", "a" * 16, "", "a'"):
        with pytest.raises(ConfigError, match="can't be a job's name"):
            JobTicket(id, 1).file_name  # noqa: B018 - that it raises is the claim


def test_handing_over_twice_puts_a_ticket_in_place_once(tmp_path: Path) -> None:
    site = Host(name="here", host="here", root=f"{tmp_path}/it's here", scheduler="slurm")
    root = tmp_path / "it's here"
    script = build_delivery_script(site, [JobTicket("j1", 7)]).rsplit("start=", 1)[0]  # without the trigger
    sh(script)
    assert (root / "agent.sh").read_text() == read_agent_source()
    (root / "waiting/500000007-j1").rename(root / "submitted/500000007-j1")
    sh(script)
    assert list((root / "waiting").iterdir()) == []
    assert [path.name for path in (root / "lock").iterdir()] == ["free"]
    assert list((root / "tmp").iterdir()) == []


def test_an_older_agent_is_replaced_and_a_newer_one_is_not(tmp_path: Path) -> None:
    site = Host(name="here", host="here", root=str(tmp_path))
    script = build_delivery_script(site).rsplit("start=", 1)[0]
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n# other\nVERSION=1\n")
    sh(script)
    assert (tmp_path / "agent.sh").read_text() == read_agent_source()
    (tmp_path / "agent.sh").write_text("#!/bin/sh\n# newer\nVERSION=2\n")
    assert subprocess.run(["sh", "-c", script], stderr=subprocess.DEVNULL).returncode == 65
    assert "newer" in (tmp_path / "agent.sh").read_text()


def test_sites_are_kept(tmp_path: Path) -> None:
    sites = HostsFile(tmp_path)
    bebop = Host(name="bebop", host="bebop.example", max_queued=40, root="$HOME/it's: here")
    sites.add(Host(name="other", host="other"))
    sites.add(Host(name="bebop", host="old"))
    sites.add(bebop)
    assert sites.get("bebop") == bebop
    sites.remove("other")
    assert sites.list_hosts() == [bebop]
    with pytest.raises(ConfigError, match="no scheduler 'lsf'"):
        Host(name="x", host="x", scheduler="lsf")
