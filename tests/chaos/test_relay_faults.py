"""The relay before a real server, with everything between them that networks and other servers do (`tasuki.testing.FaultProxy`).

The oracle: every call that has returned is on the server, once, exactly, or set aside; nothing else is.
"""

import datetime
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
import pytest
import trustme

from tasuki.client.receipt import is_genuine
from tasuki.journal import JournalFolder
from tasuki.records import ReplicateRequest, unpack_item
from tasuki.remotes import Remote, RemotesFile
from tasuki.testing import Fault, FaultProxy
from tests.support.acknowledged_calls import acknowledged
from tests.support.processes import Child, eventually
from tests.support.remote_server import Hung, Server, all_there, differences, free_port, records_at, records_in, sync_all
from tests.support.shell import environment, tasuki
from tests.support.soak import scaled
from tests.support.training_processes import AS_TOLD, ended, logged

PASSING = [Fault.LOST, Fault.HALF, Fault.DUPLICATE, Fault.RESET, Fault.PORTAL, Fault.BAD_GATEWAY, Fault.UNAVAILABLE]
PASSING += [Fault.GATEWAY_TIMEOUT, Fault.LATER_SECONDS, Fault.LATER_DATE, Fault.LATER_GARBAGE]
PAUSING = [Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.MISSING, Fault.UPGRADE, Fault.REDIRECT]
POISON = b"poison"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def doctor(folder: Path, **more: str) -> dict[str, str]:
    """What doctor says of the one remote."""
    checks = json.loads(tasuki(folder, "doctor", "--json", **more).stdout)["checks"]
    (found,) = [check for check in checks if check["name"].startswith("remote ")]
    return dict(found)


def is_clean(server: Server, folder: Path, remote: str, lines: list[str]) -> None:
    """Nothing lost, nothing twice."""
    sync_all(folder, remote)
    all_there(server, acknowledged(lines))
    assert differences(folder, remote) == []
    assert records_at(server, folder) == records_in(folder)


# -- what passes (faults 3, 4, 9, 10, 12)


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_nothing_and_doubles_nothing(server: Server, folder: Path, fault: Fault):
    with FaultProxy(server.port) as proxy, Child(AS_TOLD, proxy.url, "main", folder) as child:
        logged(child, 20)
        eventually(lambda: records_at(server, folder) == 21)
        proxy.fault = fault
        seen = proxy.counts[fault]
        logged(child, 20)
        eventually(lambda: proxy.counts[fault] > seen)
        proxy.fault = Fault.NONE
        lines = ended(child, 20)
        is_clean(server, folder, proxy.url, lines)


@pytest.mark.parametrize("seed", range(scaled(2, 30)))
def test_any_mixture_of_faults_loses_nothing_and_doubles_nothing(server: Server, folder: Path, seed: int):
    with FaultProxy(server.port, faults=PASSING, odds=0.5, seed=seed) as proxy, Child(AS_TOLD, proxy.url, "main", folder) as child:
        for _ in range(scaled(5, 50)):
            logged(child, 20)
            before = proxy.total()
            eventually(lambda before=before: proxy.total() > before)
        proxy.faults = []
        is_clean(server, folder, proxy.url, ended(child, 1))


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.SLOW, Fault.LATER_DAY])
def test_an_answer_that_does_not_come_holds_nobody_up_and_loses_nothing(server: Server, folder: Path, fault: Fault):
    with FaultProxy(server.port, fault=fault) as proxy, Child(AS_TOLD, proxy.url, "main", folder) as child:
        logged(child, 50)
        lines = ended(child, 10)
        assert json.loads(child.expect("finished "))[0]["pending"] == 62
        proxy.fault = Fault.NONE
        is_clean(server, folder, proxy.url, lines)


# -- what pauses (fault 10)


@pytest.mark.parametrize("fault", PAUSING)
def test_what_takes_nothing_is_paused_said_loudly_and_keeps_everything(server: Server, folder: Path, fault: Fault):
    with FaultProxy(server.port, fault=fault) as proxy, Child(AS_TOLD, proxy.url, "main", folder) as child:
        logged(child, 20)
        errors = folder / "sync-errors.log"
        eventually(errors.exists)
        assert stat.S_IMODE(errors.stat().st_mode) == 0o600
        assert proxy.total() == 1, "it is probed once a minute"
        found = doctor(folder)
        assert found["state"] == "degraded"
        assert "paused" in found["found"]
        assert "21 pending" in found["found"]
        lines = ended(child)
        assert proxy.total() == 1
        proxy.fault = Fault.NONE
        is_clean(server, folder, proxy.url, lines)


def test_a_new_key_is_picked_up_without_a_restart(server: Server, folder: Path):
    def wants_new_key(head: bytes, _: bytes) -> Fault:
        return Fault.NONE if b"Bearer new-key" in head else Fault.UNAUTHORIZED

    remotes = RemotesFile(folder)
    with FaultProxy(server.port) as proxy:
        proxy.choose = wants_new_key
        remotes.add(Remote("team", proxy.url, "old-key"))
        with Child(AS_TOLD, proxy.url, "main", folder) as child:
            logged(child, 20)
            eventually((folder / "sync-errors.log").exists)
            remotes.add(Remote("team", proxy.url, "new-key"))
            eventually(lambda: records_at(server, folder) == 21)
            lines = ended(child, 5)
        proxy.choose = None
        assert "-key" not in (folder / "sync-errors.log").read_text()
        is_clean(server, folder, proxy.url, lines)


# -- what is set aside (fault 10)

POISONED = """
import json, sys, tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
for n in range(100):
    run.alert("poison" if n == 42 else f"fine {n}")
print("finished", json.dumps(run.finish()))
"""


@pytest.mark.parametrize("fault", [Fault.UNPROCESSABLE, Fault.BAD, Fault.CONFLICT, Fault.TOO_LARGE])
def test_one_of_100_that_is_refused_is_set_aside_and_delivered_once_the_server_has_learned(
    server: Server, folder: Path, fault: Fault
):
    def refuses(_: bytes, body: bytes) -> Fault:
        items = msgspec.msgpack.decode(body, type=ReplicateRequest).items
        return fault if any(POISON in unpack_item(item.data) for item in items if item.data) else Fault.NONE

    with FaultProxy(server.port) as proxy:
        proxy.choose = refuses
        with Child(POISONED, proxy.url, folder) as child:
            child.done()
        assert json.loads(child.expect("finished ")) == {"sent": 101, "pending": 1}
        assert shown_at(server, folder, POISON) == 0
        assert "1 set aside" in doctor(folder)["found"]
        listed = tasuki(folder, "query", "SELECT writer, reason, payload_json FROM set_aside", "--json")
        ((_, reason, payload),) = json.loads(listed.stdout)["rows"]
        assert "answered 4" in reason
        assert json.loads(payload)["title"] == "poison"
        assert tasuki(folder, "sync", "retry", "--set-aside", "--to", proxy.url).returncode == 5
        assert "set aside" in tasuki(folder, "verify", "--remote", proxy.url).stdout
        proxy.choose = None
        done = tasuki(folder, "sync", "retry", "--set-aside", "--to", proxy.url)
        assert done.returncode == 0, done.stderr
        assert shown_at(server, folder, POISON) == 1
        found = doctor(folder)
        assert (found["state"], "0 pending" in found["found"]) == ("ok", True)
        receipt = folder.parent / "receipt.json"
        verified = tasuki(folder, "verify", "--remote", proxy.url, "--receipt", str(receipt), TASUKI_TOKEN="a key")
        assert verified.returncode == 0, verified.stderr
        document = json.loads(receipt.read_text())
        assert is_genuine(document, "a key")
        assert sum(stream["bytes"] for stream in document["writers"]) == size_of(folder)
        document["writers"][0]["bytes"] += 1
        assert not is_genuine(document, "a key")
        again = tasuki(folder, "sync", "retry", "--set-aside", "--to", proxy.url)
        assert again.returncode == 0
        assert shown_at(server, folder, POISON) == 1


def shown_at(server: Server, folder: Path, title: bytes) -> int:
    """How many alerts with this title the server shows for the run of the folder."""
    with server.caught_up() as query:
        (run,) = {row.id for row in query.runs("p")} & run_ids(folder)
        return sum(alert.title.encode() == title for alert in query.alerts("p", run))


def size_of(folder: Path) -> int:
    """How many bytes of frames a folder has."""
    return sum(journal.size for journal in JournalFolder(folder / "journal").journals())


def run_ids(folder: Path) -> set[str]:
    """The runs of a folder."""
    return {journal.header.run for journal in JournalFolder(folder / "journal").journals()}


# -- TLS (fault 11)


class Tls:
    """A socket that proves who it is with a certificate, and hangs up. A `with` block ends it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        self.tried = 0
        self.thread = threading.Thread(target=self.accept)

    def __enter__(self) -> "Tls":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.tried += 1
                with closing(connection), suppress(OSError):
                    connection.settimeout(5)
                    self.context.wrap_socket(connection, server_side=True).close()


def certificate(what: str) -> tuple[ssl.SSLContext, trustme.CA]:
    """A server's context, and the authority that signed it, if it were known."""
    authority = trustme.CA()
    expired = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC) if what == "expired" else None
    issued = authority.issue_cert("other.example" if what == "wrong host" else "127.0.0.1", not_after=expired)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    return context, authority


@pytest.mark.parametrize("what", ["expired", "wrong host", "unknown authority"])
def test_a_server_that_does_not_prove_who_it_is_gets_nothing(folder: Path, tmp_path: Path, monkeypatch, server: Server, what: str):
    context, authority = certificate(what)
    if what != "unknown authority":
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with Tls(context) as tls:
        with Child(AS_TOLD, tls.url, "main", folder) as child:
            logged(child, 20)
            eventually(lambda: tls.tried > 0)
            lines = ended(child)
        assert json.loads(child.expect("finished "))[0] == {"sent": 0, "pending": 22}
        assert "certificate" in doctor(folder)["found"]
    is_clean(server, folder, server.url, lines)


def test_a_stalled_tls_handshake_holds_nobody_up(folder: Path, server: Server):
    with Hung() as hung, Child(AS_TOLD, hung.url.replace("http:", "https:"), "main", folder) as child:
        logged(child, 20)
        eventually(lambda: hung.read_bytes > 0)
        lines = ended(child)
    assert json.loads(child.expect("finished "))[0] == {"sent": 0, "pending": 22}
    is_clean(server, folder, server.url, lines)


# -- clocks (fault 13)


@pytest.mark.parametrize("clock", ["-1h", "+1h", "-1d", "@1970-01-02 00:00:00"])
def test_a_wrong_clock_loses_nothing(server: Server, folder: Path, clock: str):
    prefix = ["faketime", "-f", clock]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("faketime is not there")
    with Child(LOGS_AND_SAYS, server.url, folder, prefix=prefix) as child:
        child.done()
    assert json.loads(child.expect("finished ")) == {"sent": 102, "pending": 0}
    assert differences(folder, server.url) == []


LOGS_AND_SAYS = """
import json, sys, tasuki
run = tasuki.init("clocks", remote=sys.argv[1], dir=sys.argv[2])
for n in range(100):
    run.log({"loss": n / 7})
print("finished", json.dumps(run.finish()))
"""


# -- the relay thread itself (fault 15)


@pytest.mark.parametrize("action", ["raise", "end", "oserror"])
def test_a_relay_thread_that_fails_or_dies_goes_on_within_5_seconds(server: Server, folder: Path, monkeypatch, action: str):
    monkeypatch.setenv("TASUKI_FAILPOINTS", f"relay.round={action}:5")
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 20)
        eventually(lambda: "goes on after an error" in child.complaints() or "started again" in child.complaints())
        logged(child, 20)
        eventually(lambda: records_at(server, folder) == 41)
        is_clean(server, folder, server.url, ended(child))


def test_a_relay_thread_that_hangs_holds_nobody_up_and_the_next_process_delivers(server: Server, folder: Path, monkeypatch):
    monkeypatch.setenv("TASUKI_FAILPOINTS", "relay.round=hang:1")
    with Child(AS_TOLD, server.url, "main", folder) as child:
        lines = ended(child, 50)
    monkeypatch.delenv("TASUKI_FAILPOINTS")
    with Child(AS_TOLD, server.url, "later", folder) as later:
        lines += ended(later, 1)
    assert records_at(server, folder) == records_in(folder)
    is_clean(server, folder, server.url, lines)


def test_doctor_names_the_process_whose_relay_hangs(server: Server, folder: Path, monkeypatch):
    monkeypatch.setenv("TASUKI_FAILPOINTS", "relay.round=hang:2")
    with Child(AS_TOLD, server.url, "main", folder) as child:
        eventually(lambda: any((folder / "relay").glob("*.json")))
        logged(child, 20)
        (standing,) = (folder / "relay").glob("*.json")
        two_minutes_ago = json.loads(standing.read_text()) | {"seen": (time.time_ns() // 1000) - 120_000_000}
        standing.write_text(json.dumps(two_minutes_ago))
        found = doctor(folder)
    assert found["state"] == "degraded"
    assert f"the relay of process {child.pid} is silent" in found["found"]


@pytest.mark.parametrize("point", ["relay.after_send", "relay.after_reply"])
def test_a_client_killed_between_request_reply_and_its_use_loses_and_doubles_nothing(
    server: Server, folder: Path, monkeypatch, point: str
):
    monkeypatch.setenv("TASUKI_FAILPOINTS", f"{point}=kill:2")
    with Child(AS_TOLD, server.url, "main", folder) as child:
        child.tell("20")
        assert child.process.wait(20) == -signal.SIGKILL
        child.reader.join()
        lines = list(child.lines)
    monkeypatch.delenv("TASUKI_FAILPOINTS")
    is_clean(server, folder, server.url, lines)


# -- the switch


SWITCHED = """
import os, sys, threading, time, tasuki
from tests.support.acknowledged_calls import Acknowledging, PROJECT, say
run = tasuki.init(PROJECT, "main", remote=sys.argv[1], dir=sys.argv[2])
calls = Acknowledging(run, "main")
for line in sys.stdin:
    for _ in range(20):
        calls.log()
    say("threads", sorted(thread.name for thread in threading.enumerate()))
    word = line.strip()
    os.environ["TASUKI_DISABLE_WRITE_THROUGH"] = word
say("finished", run.finish())
"""


def test_switched_off_there_is_no_socket_and_no_thread_and_tasuki_sync_still_sends(
    server: Server, folder: Path, tmp_path: Path, monkeypatch
):
    trace = tmp_path / "trace"
    prefix = ["strace", "-f", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace is not there, or not permitted")
    monkeypatch.setenv("TASUKI_DISABLE_WRITE_THROUGH", "yes")
    with Child(SWITCHED, server.url, folder, prefix=prefix) as child:
        for n in range(1, 3):
            child.tell("yes")
            assert "tasuki-relay" not in child.expect("threads ", n)
        assert child.process.stdin is not None
        child.process.stdin.close()
        lines = list(child.done())
    assert "socket(" not in trace.read_text()
    assert "connect(" not in trace.read_text()
    assert records_at(server, folder) == 0
    assert "disabled" in doctor(folder, TASUKI_DISABLE_WRITE_THROUGH="1")["found"]
    done = tasuki(folder, "sync", "--to", server.url, TASUKI_DISABLE_WRITE_THROUGH="1")
    assert done.returncode == 0, done.stderr
    is_clean(server, folder, server.url, lines)


def test_the_switch_works_while_the_process_runs(server: Server, folder: Path):
    with Child(SWITCHED, server.url, folder) as child:
        child.tell("yes")
        eventually(lambda: records_at(server, folder) == 21)
        child.expect("threads ")
        eventually(lambda: still_at(child, server, folder))
        child.tell("no")
        child.expect("threads ", 3)
        eventually(lambda: records_at(server, folder) == records_in(folder))
        assert child.process.stdin is not None
        child.process.stdin.close()
        is_clean(server, folder, server.url, list(child.done()))


def still_at(child: Child, server: Server, folder: Path) -> bool:
    """The relay has gone, and what is logged now stays here."""
    time.sleep(2.5)
    before = records_at(server, folder)
    child.tell("yes")
    child.expect("threads ", 2)
    time.sleep(1.5)
    return records_at(server, folder) == before and records_in(folder) > before


# -- folders that can't be written (fault 20)


def test_a_folder_that_disappears_does_not_stop_the_training(server: Server, folder: Path):
    with Child(AS_TOLD, server.url, "main", folder) as child:
        logged(child, 20)
        eventually(lambda: records_at(server, folder) == 21)
        subprocess.run(["rm", "-rf", str(folder)], check=True)
        logged(child, 20)
        child.tell("1")
        assert child.process.stdin is not None
        child.process.stdin.close()
        assert child.end() == 0, child.complaints()


# -- the end of the process


LEAVES_ITS_RUN_OPEN = """
import sys, tasuki
run = tasuki.init("p", remote=sys.argv[1] or None, dir=sys.argv[2])
for n in range(20):
    run.log({"loss": n / 7})
if sys.argv[3] == "finished":
    run.finish()
"""


@pytest.mark.parametrize("how", ["finished", "left open"])
@pytest.mark.parametrize("remote", ["up", "down", "none"])
def test_a_process_ends_without_a_warning(server: Server, folder: Path, remote: str, how: str):
    url = {"up": server.url, "down": f"http://127.0.0.1:{free_port()}", "none": ""}[remote]
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", LEAVES_ITS_RUN_OPEN, url, str(folder), how]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "Traceback" not in done.stderr


# -- doctor


def test_doctor_with_1500_pending_and_the_server_down_says_so_in_a_second(folder: Path):
    remote = f"http://127.0.0.1:{free_port()}"
    script = (
        "import os, sys, tasuki\nrun = tasuki.init('p', remote=sys.argv[1])\n"
        "for n in range(1499): run.log({'loss': n})\nos._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, remote], env=environment(folder), check=True, stderr=subprocess.DEVNULL)
    tasuki(folder, "doctor")
    done = tasuki(folder, "doctor", "--json")
    assert done.returncode == 1
    found = doctor(folder)
    assert "sync_queue: 1500 pending" in found["found"]
    assert "backlog" in found["found"]
    rows = tasuki(folder, "query", "SELECT count(*), count(synced_at), min(kind) FROM sync_queue", "--json")
    assert json.loads(rows.stdout)["rows"] == [[1500, 0, "metrics"]]


def test_a_backlog_is_one_alert_however_long_it_lasts(folder: Path):
    with Child(AS_TOLD, f"http://127.0.0.1:{free_port()}", "main", folder) as child:
        logged(child, 1100)
        eventually((folder / "alerts.log").exists)
        ended(child, 200)
    assert len((folder / "alerts.log").read_text().splitlines()) == 1
