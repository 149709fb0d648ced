"""What a relay may find at its remote: a real server that can be killed and started again, and what is none."""

import http.client
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import psutil

from tasuki.client.http_query import HttpQuery
from tasuki.client.verify_remote import ServerStreams, StreamDifference, compare_with_remote
from tasuki.journal import JournalFolder, JournalSource
from tasuki.records import iterate_frames
from tasuki.relay import HttpTransport, SyncResult, open_remote_state, run_sync
from tasuki.settings import load
from tasuki.store import RAW_FILE, RawStore
from tests.support.acknowledged_calls import Call, check
from tests.support.journals import journals
from tests.support.processes import eventually
from tests.support.shell import TASUKI, environment

__all__ = [
    "CountingProxy",
    "Hung",
    "Server",
    "Website",
    "all_there",
    "differences",
    "free_port",
    "records_at",
    "records_in",
    "sync_all",
]

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below those that the system takes for outgoing connections: a client that tries a port of those again and again may once be
given the same one as its own, and is connected to itself."""
RELAYED_BYTES = 65_536


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    while True:
        with suppress(OSError), closing(socket.create_server((HOST, random.choice(PORTS)))) as taken:
            port: int = taken.getsockname()[1]
            return port


class Server:
    """`tasuki serve` over a folder, always at the same address. A `with` block starts it, and leaves no process behind.

    Processes are only reaped at the end of the block: until then no stranger can have their ids.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.failpoints = ""
        """Those that the next process has that is started."""
        self.processes: list[subprocess.Popen[bytes]] = []
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.errors.close()

    @property
    def pid(self) -> int:
        """The process that was started last."""
        return self.processes[-1].pid

    @property
    def projector(self) -> int:
        """The process that projects for it."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        eventually(lambda: bool(children.read_text().strip()))
        return int(children.read_text().split()[0])

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [*TASUKI, "serve", f"--dir={self.folder}", f"--port={self.port}"]
        variables = environment(self.folder, TASUKI_FAILPOINTS=self.failpoints)
        self.processes.append(subprocess.Popen(command, env=variables, stderr=self.errors, start_new_session=True))
        eventually(lambda: self.answers() or self.has_ended())
        assert not self.has_ended(), self.complaints()

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and wait until it has ended, which must be a success."""
        os.kill(self.pid, signal.SIGTERM)
        eventually(self.has_ended)
        ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0), self.complaints()

    def kill(self) -> None:
        """SIGKILL it, and wait until it is gone. Its projector may live on for a moment."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def kill_all(self) -> None:
        """SIGKILL it and its projector, and wait until both are gone, and with them their hold on files."""
        os.killpg(self.pid, signal.SIGKILL)
        eventually(lambda: not any(lives_in_group(process, self.pid) for process in psutil.process_iter()))

    def freeze(self) -> None:
        """SIGSTOP it, and wait until it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def has_ended(self) -> bool:
        """Whether the process that was started last has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def answers(self) -> bool:
        """Whether it says who it is."""
        with closing(http.client.HTTPConnection(HOST, self.port, timeout=5)) as connection:
            try:
                connection.request("GET", "/api/v1/meta")
                return connection.getresponse().status == http.client.OK
            except (OSError, http.client.HTTPException):
                return False

    @contextmanager
    def caught_up(self) -> Iterator[HttpQuery]:
        """Ask it, once everything that it has received is projected."""
        with HttpQuery(self.url) as query:

            def complete() -> bool:
                query.projects()
                return query.missing == 0

            eventually(complete)
            yield query

    def complaints(self) -> str:
        """What it has written to its standard error."""
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")


def lives_in_group(process: psutil.Process, group: int) -> bool:
    """Whether a process of this group is there, and not only waits to be reaped."""
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


# -- what is recorded here and there


def records_in(folder: Path) -> int:
    """How many records the journals of a data folder hold."""
    journals = JournalFolder(folder / "journal")
    total = 0
    for journal in journals.journals():
        with journals.open_reader(journal) as view:
            total += sum(1 for piece in view.read_pieces() for _ in iterate_frames(piece))
    return total


def records_at(server: Server, folder: Path | None = None) -> int:
    """How many records a server has on its disk; of the journals of a data folder, if one is given."""
    writers = None if folder is None else {path.stem for path in journals(folder)}
    with closing(RawStore(server.folder / RAW_FILE)) as store:
        return sum(
            1
            for stream in store.streams()
            if writers is None or stream.writer in writers
            for _ in iterate_frames(store.read(stream.writer, 0, 1 << 40))
        )


def all_there(server: Server, calls: list[Call]) -> None:
    """Each call is on the server, once, exactly, and their runs have no other."""
    runs = {call.run for call in calls}
    with server.caught_up() as query:
        extra = check(query, calls)  # type: ignore[arg-type] # it asks what any `Query` answers
    assert {key: numbers for key, numbers in extra.items() if key[0] in runs} == {}


def sync_all(folder: Path, remote: str) -> SyncResult:
    """What `tasuki sync` does, in this process."""
    settings = load(dir=str(folder))
    transport = HttpTransport(remote)
    with closing(JournalSource(JournalFolder(settings.journal_root, settings.lock_root))) as source, closing(transport):
        return run_sync(source, transport, open_remote_state(folder, remote))


def differences(folder: Path, remote: str) -> list[StreamDifference]:
    """What `tasuki verify --remote` finds, in this process."""
    with ServerStreams(remote) as peer:
        return compare_with_remote(JournalFolder(folder / "journal"), peer, open_remote_state(folder, remote)).differences


# -- remotes that are no server of ours


class Accepting:
    """A socket at which every connection gets a thread of its own. A `with` block ends it, and its connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self.connections: list[socket.socket] = []
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self):
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads[1:]:
            thread.join()
        for connection in (self.listener, *self.connections):
            connection.close()

    def accept(self) -> None:
        """Take connections until the block ends."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                self.threads.append(threading.Thread(target=self.converse, args=(connection,)))
                self.threads[-1].start()

    def converse(self, connection: socket.socket) -> None:
        """One connection, to its end."""
        raise NotImplementedError


class Hung(Accepting):
    """Accepts, reads, and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes = 0

    def converse(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while data := connection.recv(RELAYED_BYTES):
                self.read_bytes += len(data)


class CountingProxy(Accepting):
    """Passes everything on to a server, and counts what is posted there. It can lose the answers, and the connection with them."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.server_port = port
        self.posts = 0
        self.loses_answers = False

    def converse(self, connection: socket.socket) -> None:
        server = socket.create_connection((HOST, self.server_port))
        self.connections.append(server)
        back = threading.Thread(target=passed_on, args=(server, connection, self.may_answer))
        back.start()
        passed_on(connection, server, self.count)
        back.join()

    def count(self, data: bytes) -> bool:
        """A request's first line comes with its first bytes, as `http.client` sends them."""
        self.posts += data.startswith(b"POST /api/v1/replicate ")
        return True

    def may_answer(self, _: bytes) -> bool:
        """Whether an answer is passed on."""
        return not self.loses_answers


def passed_on(source: socket.socket, target: socket.socket, passes: Callable[[bytes], bool]) -> None:
    """Copy what comes until it ends, or something may not pass."""
    with suppress(OSError):
        while (data := source.recv(RELAYED_BYTES)) and passes(data):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Pages:
    """A web server that is not tasuki, while it is open: `page` answers."""

    def __init__(self, page: type[BaseHTTPRequestHandler]) -> None:
        self.server = ThreadingHTTPServer((HOST, 0), page)
        self.url = f"http://{HOST}:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Website(Pages):
    """To whatever it is asked it says the same."""

    def __init__(self, status: int, body: bytes = b"<!doctype html><title>Sign in</title>") -> None:
        site = self

        class Page(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                site.requests += 1
                self.send_response(status)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None: ...

        self.requests = 0
        super().__init__(Page)
