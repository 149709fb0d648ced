"""What schedulers print is read alike here and by the agent, in every shell that a site may have."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from tasuki.hpc.schedulers import SCHEDULERS
from tasuki.hpc.schedulers.pbs import PBS
from tasuki.hpc.schedulers.resources import Resources
from tasuki.hpc.schedulers.slurm import SLURM

TRANSCRIPTS = Path(__file__).parents[3] / "transcripts"
AGENT = str(files("tasuki.hpc").joinpath("agent.sh"))
SHELLS = [shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]

QUEUES = {
    ("pbs", "slurm/qstat-u.txt"): {"1": True, "2": True, "3": False, "4": False},
    ("pbs", "slurm/qstat-u-over.txt"): {},
    ("pbs", "torque/qstat-a.txt"): dict.fromkeys(("1602195", "1602196", "1602197", "1602198"), False),
    ("pbs", "torque/qstat-a-2.5.txt"): {"2218246": False, "2500686": True, "2502414": True, "2502516": True},
    ("pbs", "torque/qstat-a-4.1.txt"): {"4100326": True},
    ("pbs", "torque/qstat-n.txt"): {"569147": True, "1277": False},
    ("pbs", "torque/qstat.txt"): {},
    ("pbs", "torque/qstat-unknown.txt"): {},
    ("pbs", "openpbs/qstat-u.txt"): {"1681778": True, "5303692[]": False, "305019": True},
    ("pbs", "openpbs/qstat-T.txt"): {"10[]": True},
    ("pbs", "openpbs/qstat.txt"): {},
    ("pbs", "openpbs/qstat-empty.txt"): {},
    ("pbs", "openpbs/qstat-unknown.txt"): {},
    ("pbs", "openpbs/qstat-finished.txt"): {},
    ("slurm", "slurm/squeue.txt"): {"3": False, "4": False, "1": True, "2": True},
    ("slurm", "slurm/squeue-completing.txt"): {"1": True, "2": True},
    ("slurm", "slurm/squeue-empty.txt"): {},
}
NAMES = {
    ("pbs-names", "slurm/qstat-f.txt"): [f"{n} {'R' if n < 3 else 'Q'} abc_12345678901" for n in (1, 2, 3, 4)],
    ("pbs-names", "openpbs/qstat-f.txt"): ["13 R STDIN"],
    ("pbs-names", "torque/qstat-f.txt"): ["391 Q test_cgroups_tasks_and_memory_limit.sh"],
}
SUBMISSIONS = [
    ("pbs", "slurm/qsub.txt", "6"),
    ("pbs", "torque/qsub.txt", "1098[].hostname"),
    ("pbs", "torque/qsub-quota.txt", None),
    ("pbs", "openpbs/qsub.txt", "10[].Nile-extn"),
    ("pbs", "openpbs/qsub-quota.txt", None),
    ("slurm", "slurm/sbatch.txt", "5"),
] + [
    (kind, f"slurm/{command}-{why}.txt", None)
    for kind, command in (("pbs", "qsub"), ("slurm", "sbatch"))
    for why in ("refused", "quota")
]


def agent(shell: str, *arguments: str, text: str = "") -> list[str]:
    done = subprocess.run([*shell.split(), AGENT, *arguments], input=text, capture_output=True, text=True, timeout=10, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(("kind", "name"), QUEUES)
def test_a_queue_is_read(kind: str, name: str) -> None:
    found = SCHEDULERS[kind].parse_queue((TRANSCRIPTS / name).read_text())
    assert {job.id: job.is_running for job in found} == QUEUES[kind, name]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_agent_reads_the_same(shell: str) -> None:
    for (kind, name), jobs in QUEUES.items():
        lines = agent(shell, "parse", kind, text=(TRANSCRIPTS / name).read_text())
        assert {line.split()[0]: line.split()[1] == "R" for line in lines} == jobs, name
    for (kind, name), expected in NAMES.items():
        assert agent(shell, "parse", kind, text=(TRANSCRIPTS / name).read_text()) == expected, name


@pytest.mark.parametrize(("kind", "name", "id"), SUBMISSIONS)
def test_a_submission_is_read(kind: str, name: str, id: str | None) -> None:
    assert SCHEDULERS[kind].parse_submission((TRANSCRIPTS / name).read_text()) == id


def test_ids_of_every_kind_are_found_among_warnings() -> None:
    for id in ("123", "123.server", "123[].server.domain"):
        assert PBS.parse_submission(f"qsub: warning: 3 hours\n{id}\n\nWelcome\n") == id
    for id in ("123", "123;cluster"):
        assert SLURM.parse_submission(f"sbatch: warning: x\n{id}\n") == id


def test_slurm_says_why_a_job_waits() -> None:
    assert [job.reason for job in SLURM.parse_queue((TRANSCRIPTS / "slurm/squeue.txt").read_text())] == [
        "Resources",
        "Priority",
        "",
        "",
    ]


def test_directives() -> None:
    asked = Resources(nodes=2, ntasks=7, walltime="1h30m", queue="regular", account="m1234")
    assert PBS.build_directives(asked) == ["#PBS -l nodes=2:ppn=4", "#PBS -l walltime=01:30:00", "#PBS -q regular", "#PBS -A m1234"]
    assert SLURM.build_directives(asked) == [
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks=7",
        "#SBATCH --time=01:30:00",
        "#SBATCH --partition=regular",
        "#SBATCH --account=m1234",
    ]
