"""Both ways over ssh keep what every transport promises, with one login each, and none of their own."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tasuki.errors import ConfigError, RemoteRejected, RemoteUnavailable
from tasuki.hpc.transports.asyncssh import AsyncSSHTransport
from tasuki.hpc.transports.openssh import OpenSSHTransport, create_socket_folder
from tests.cluster.cluster_control import Cluster, type_answers
from tests.contracts.transport_claims import Run, TransportClaims


@pytest.fixture(scope="module")
def sockets() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tk", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc] # a coroutine is what it is given


def log_in(cluster: Cluster, host: OpenSSHTransport, kind: str) -> None:
    code, shown = type_answers(host.build_login_command(), cluster.answers(kind))
    assert code == 0, shown


def noisy(cluster: Cluster, kind: str) -> None:
    """A login that talks on stdout, as sites have it."""
    (cluster.home(kind) / ".bashrc").write_text("echo 'Welcome! Your quota is 80% used.'\nmesg n\necho tasuki begin\n")


@pytest.fixture(scope="module")
def openssh(cluster: Cluster, sockets: Path) -> Iterator[OpenSSHTransport]:
    noisy(cluster, "otp")
    host = OpenSSHTransport("otp", config=cluster.config, sockets=sockets)
    before = cluster.authentications("otp")
    log_in(cluster, host, "otp")
    yield host
    assert cluster.authentications("otp") == before + 1
    assert host.logout()
    (cluster.home("otp") / ".bashrc").unlink()


@pytest.fixture(scope="module")
def asyncssh(cluster: Cluster, run: Run) -> Iterator[AsyncSSHTransport]:
    noisy(cluster, "pw")
    host = AsyncSSHTransport("pw", config=cluster.config)
    answers = cluster.answers("pw")

    async def ask(prompts: Any) -> list[str]:
        return [next(answers) for _ in prompts]

    before = cluster.authentications("pw")
    run(host.login(ask))
    yield host
    assert cluster.authentications("pw") == before + 1
    run(host.close())
    (cluster.home("pw") / ".bashrc").unlink()


class TestOverSsh(TransportClaims):
    @pytest.fixture(params=["openssh", "asyncssh"])
    def transport(self, request: Any) -> Any:
        return request.getfixturevalue(request.param)

    @pytest.fixture
    def folder(self, request: Any) -> str:
        return f"$HOME/there's {request.node.name}"


def test_nobody_logged_in_is_said_with_what_to_type_and_tries_nothing(cluster: Cluster, sockets: Path, run: Run) -> None:
    before = (cluster.root / "log/sshd_login.log").read_text()
    for host in (
        OpenSSHTransport("totp", name="bebop", config=cluster.config, sockets=sockets),
        AsyncSSHTransport("totp", name="bebop", config=cluster.config),
    ):
        for attempt in (host.open, lambda host=host: host.exec("true")):
            with pytest.raises(RemoteUnavailable, match="nobody is logged in at totp") as raised:
                run(attempt())
            assert raised.value.hint == "tasuki hpc login bebop"
    assert (cluster.root / "log/sshd_login.log").read_text() == before


def test_a_master_that_was_killed_is_noticed_and_nothing_connects_anew(cluster: Cluster, sockets: Path, run: Run) -> None:
    host = OpenSSHTransport("key", config=cluster.config, sockets=sockets)
    log_in(cluster, host, "key")
    os.kill(master_pid(host), 9)
    assert host.socket.exists()  # it is left behind
    before = cluster.authentications("key")
    for attempt in (
        host.open,
        lambda: host.exec("true"),
        lambda: host.put_tar([], "x"),
        lambda: host.get_tar("true", lambda _: None),
    ):
        with pytest.raises(RemoteUnavailable, match="nobody is logged in"):
            run(attempt())
    assert cluster.authentications("key") == before
    host.socket.unlink()  # as `login` does
    log_in(cluster, host, "key")
    assert run(host.exec("echo back")).text == "back\n"
    assert host.logout()
    assert not host.logout()


def master_pid(host: OpenSSHTransport) -> int:
    return int(
        subprocess.run(host.build_master_command("check"), capture_output=True, text=True).stderr.split("pid=")[1].split(")")[0]
    )


def test_a_wrong_code_is_refused_by_both(cluster: Cluster, sockets: Path, run: Run) -> None:
    host = OpenSSHTransport("totp", config=cluster.config, sockets=sockets)
    code, shown = type_answers(host.build_login_command(), iter(["000000"] * 3))
    assert code == 255, shown
    assert not host.is_live()

    async def ask(prompts: Any) -> list[str]:
        return ["000000" for _ in prompts]

    with pytest.raises(RemoteRejected, match="no login at totp"):
        run(AsyncSSHTransport("totp", config=cluster.config).login(ask))


def test_no_network_is_no_refusal(cluster: Cluster, tmp_path: Path, run: Run) -> None:
    config = tmp_path / "config"
    config.write_text("Host nowhere\n  HostName 127.0.0.1\n  Port 1\n")
    with pytest.raises(RemoteUnavailable, match="nowhere can't be reached"):
        run(AsyncSSHTransport("nowhere", config=config).login(lambda prompts: None))  # type: ignore[arg-type,return-value] # is not asked


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long for a socket"):
        OpenSSHTransport("x", sockets=tmp_path / ("long" * 20))
    assert len(str(OpenSSHTransport("x" * 200).socket)) < 60
    assert create_socket_folder().stat().st_mode & 0o077 == 0
