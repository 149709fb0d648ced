"""The cluster is what tests of it rely on."""

import subprocess
from importlib.resources import files

import pytest

from tests.cluster.cluster_control import HERE, Cluster, type_answers
from tests.support.processes import eventually


def ssh(cluster: Cluster, *words: str) -> list[str]:
    return ["ssh", "-F", str(cluster.config), "-o", "NumberOfPasswordPrompts=1", *words]


@pytest.mark.parametrize("kind", ["otp", "totp", "pw", "behind"])
def test_a_login_takes_a_code_and_is_counted(cluster: Cluster, kind: str) -> None:
    user = "otp" if kind == "behind" else kind
    before = cluster.authentications(user)
    code, shown = type_answers(ssh(cluster, kind, "echo", "arrived"), cluster.answers(kind))
    assert (code, "arrived" in shown, "Authorised use only" in shown) == (0, True, True), shown
    assert cluster.authentications(user) == before + 1


def test_a_wrong_code_is_refused(cluster: Cluster) -> None:
    code, shown = type_answers(ssh(cluster, "otp", "true"), iter(["000000"]))
    assert code == 255, shown


def test_a_code_is_needed(cluster: Cluster) -> None:
    assert subprocess.run(ssh(cluster, "-o", "BatchMode=yes", "otp", "true"), stderr=subprocess.DEVNULL).returncode == 255
    assert subprocess.run(ssh(cluster, "-o", "BatchMode=yes", "key", "true"), stderr=subprocess.DEVNULL).returncode == 0


def test_a_job_runs_and_knows_its_pbs_id(cluster: Cluster) -> None:
    script = "cd; printf '#!/bin/sh\\n#PBS -N mine\\necho \"$PBS_JOBID $PBS_O_WORKDIR\" > answer\\n' > job.sh; qsub job.sh"
    done = cluster.as_user("key", script)
    assert done.returncode == 0, done
    answer = cluster.home("key") / "answer"
    eventually(lambda: answer.exists() and answer.read_text().strip() != "")
    assert answer.read_text().split() == [done.stdout.strip(), str(cluster.home("key"))]


def test_a_submission_can_be_refused(cluster: Cluster) -> None:
    cluster.fault("reject", "no such account")
    done = cluster.as_user("key", "cd; printf '#!/bin/sh\\n' > job.sh; qsub job.sh")
    assert done.returncode == 1
    assert "no such account" in done.stdout + done.stderr


def test_scripts_are_clean_sh() -> None:
    scripts = [str(files("tasuki.hpc").joinpath("agent.sh")), str(HERE / "up"), str(HERE / "down")]
    assert subprocess.run(["shellcheck", *scripts], stdout=subprocess.PIPE, text=True).stdout == ""
