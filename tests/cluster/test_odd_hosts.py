"""Whatever a site or a person's configuration is like: it works, or it is said what is wrong, and the next sync goes on."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tasuki.errors import RemoteRejected, RemoteUnavailable
from tasuki.hpc.agent import JobTicket
from tasuki.hpc.job_package import JobSpec, build_package
from tasuki.hpc.transports.openssh import OpenSSHTransport
from tests.cluster.cluster_control import Cluster, type_answers
from tests.cluster.job_submitter import JobSubmitter


@pytest.fixture
def sockets() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tk", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "calc"
    path.mkdir()
    (path / "input").write_bytes(b"x" * 200_000)
    return path


def test_include_match_and_a_jump_are_what_ssh_makes_of_them(cluster: Cluster, tmp_path: Path, sockets: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Match originalhost bebop\n  HostName 127.0.0.1\n  ProxyJump gateway\n  User {cluster.user('otp')}\n"
                      f"  Port {cluster.ssh_port}\nMatch all\nInclude {cluster.config}\n")  # fmt: skip
    host = OpenSSHTransport("bebop", config=config, sockets=sockets)
    before = cluster.authentications("otp")
    code, shown = type_answers(host.build_login_command(), cluster.answers("otp"))
    assert code == 0, shown
    assert "Authorised use only" in shown
    for _ in range(5):
        assert asyncio.run(host.exec("hostname >/dev/null; echo $USER")).text == f"{cluster.user('otp')}\n"
    assert cluster.authentications("otp") == before + 1
    host.logout()


def test_a_wrong_host_key_is_refused(cluster: Cluster, tmp_path: Path, sockets: Path) -> None:
    other = (cluster.root / "etc/host_gateway.pub").read_text().split()
    (tmp_path / "known").write_text(f"[127.0.0.1]:{cluster.ssh_port} {other[0]} {other[1]}\n")
    config = tmp_path / "config"
    config.write_text(f"Host *\n  UserKnownHostsFile {tmp_path / 'known'}\nInclude {cluster.config}\n")
    host = OpenSSHTransport("key", config=config, sockets=sockets)
    code, shown = type_answers(host.build_login_command(), iter([]))
    assert code == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in shown
    assert not host.is_live()
    with pytest.raises(RemoteUnavailable, match="nobody is logged in"):
        asyncio.run(host.exec("true"))


@pytest.mark.parametrize("scheduler", ["pbs"])
def test_a_root_that_can_not_be_written_is_said_so_and_later_it_goes_on(cluster: Cluster, folder: Path, scheduler: str) -> None:
    submitter = JobSubmitter(cluster, "readonly", scheduler=scheduler)
    submitter.trigger()
    job = build_package(folder, JobSpec(command="true", walltime="1m"))
    for path in (submitter.root / "jobs", submitter.root / "tmp"):
        path.chmod(0o500)
    with pytest.raises(RemoteRejected, match=r"can't store files in \$HOME/readonly/jobs"):
        asyncio.run(submitter.exchange.upload(job.build_files("calc", scheduler)))
    with pytest.raises(RemoteRejected, match=r"can't write to \$HOME/readonly"):
        asyncio.run(submitter.exchange.deliver_tickets([JobTicket("calc", 1)]))
    assert not any(submitter.where().values())
    for path in (submitter.root / "jobs", submitter.root / "tmp"):
        path.chmod(0o700)
    asyncio.run(submitter.exchange.upload(job.build_files("calc", scheduler)))
    asyncio.run(submitter.exchange.deliver_tickets([JobTicket("calc", 1)]))
    submitter.wait(1, "done")


def test_a_full_quota_is_said_so_and_later_it_goes_on(cluster: Cluster, folder: Path) -> None:
    mount = cluster.home("key") / "small"
    mount.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", f"size=160k,mode=700,uid={cluster.home('key').stat().st_uid}", "tmpfs", str(mount)]
    if subprocess.run(size, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        submitter = JobSubmitter(cluster, "small/root")
        submitter.trigger()
        job = build_package(folder, JobSpec(command="wc -c <input", walltime="1m"))
        with pytest.raises(RemoteRejected, match=r"No space left|Wrote only"):
            asyncio.run(submitter.exchange.upload(job.build_files("calc", "pbs")))
        assert not any(submitter.where().values())
        subprocess.run(["mount", "-o", "remount,size=8m", str(mount)], check=True)
        asyncio.run(submitter.exchange.upload(job.build_files("calc", "pbs")))
        asyncio.run(submitter.exchange.deliver_tickets([JobTicket("calc", 1)]))
        submitter.wait(1, "done")
        assert (submitter.root / "jobs/calc/stdout.txt").read_text().strip() == "200000"
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)
