"""A word from a server reaches the process that makes the run, while it has nothing to send."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from tasuki.records import ReplicateRequest, ReplicateResponse, StopCommand
from tasuki.testing import MemoryStore
from tests.support.processes import Child, eventually

IDLES = """
import sys, tasuki
run = tasuki.init("p", remote=sys.argv[1], dir=sys.argv[2])
print("run", run.id, run.start_record.attempt, flush=True)
sys.stdin.readline()
"""


def test_an_idle_run_listens_and_a_request_to_stop_is_on_its_disk_within_2_seconds(tmp_path: Path):
    store, words, waited = MemoryStore(), [], []
    asked = threading.Event()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said = msgspec.msgpack.decode(body, type=ReplicateRequest)
            if said.wait_s:
                waited.append(said.wait_s)
                asked.wait(10)
            control = list(words) if said.wait_s else []
            answer = msgspec.msgpack.encode(ReplicateResponse(items=store.append(said.items), boot_id="b", control=control))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with Child(IDLES, f"http://127.0.0.1:{server.server_port}", tmp_path / "data") as child:
            run, attempt = child.expect("run ").split()
            eventually(lambda: waited == [25])
            words.append(StopCommand(run=run, attempt=attempt, stop="the page"))
            asked.set()
            path = tmp_path / "data" / "control" / f"{run}.{attempt}"
            eventually(path.exists)
            assert json.loads(path.read_text())["stop"] == "the page"
            child.tell("end")
            child.done()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
