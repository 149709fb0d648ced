"""What does watching a thousand jobs cost?

A fake of Replicate in a process of its own answers each request after 20 ms and has a thousand active jobs. The poller's round
over them is timed in this process, and its requests counted. A server over the same folder is asked for its jobs, 500 at a time
(more are not in one answer). Rounds over 50 jobs without latency are repeated, and what the process holds in memory is looked at
after the first ones and at the end. Last, a thousand event streams are open at one server, one more never reads, and a webhook
changes a job: a stream's delay is from sending the webhook until the event is there.
"""

import asyncio
import base64
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from time import monotonic, time
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.child import ROOT, environment
from benchmarks.machine import folder
from benchmarks.rows import Question, Row, Size, at_most, exactly, figure, percentile
from benchmarks.serving import serving
from tasuki.jobs import Jobs, signature
from tasuki.settings import load

__all__ = ["QUESTION", "measure"]

JOBS = 1000
CLIENTS = 1000
LATENCY = 0.02
CHANGES = 10
FAKE = "from tasuki.testing.fake_replicate import main; main()"


def measure(size: Size) -> list[Row]:
    """Rounds, listings, memory, streams."""
    rounds, asked, listed, growth, delays, missed = [], [], [], [], [], 0
    for _ in range(size.runs):
        with folder() as place, fake(JOBS, LATENCY) as url:
            settings_at(place / "data", url)
            seconds, requests = asyncio.run(one_round(place / "data"))
            rounds.append(seconds)
            asked.append(float(requests))
            with serving(place / "data") as server:
                listed.append(1000 * listing(server))
        with folder() as place, fake(50, 0) as url:
            settings_at(place / "data", url)
            growth.append(asyncio.run(many_rounds(place / "data", 1000 if size.name != "quick" else 100)))
        with folder() as place, fake(1, 0) as url:
            settings_at(place / "data", url)
            found, gone = asyncio.run(streams(place / "data", url))
            delays.append(1000 * percentile(found, 99))
            missed += gone
    return [
        figure("a round over 1000 active jobs, at 20 ms", rounds, "s", at_most(2)),
        figure("requests to the provider in a round", asked, "", at_most(15)),
        figure("listing 1000 jobs over HTTP", listed, "ms", at_most(50)),
        figure("memory gained over many rounds", growth, "MB", at_most(2)),
        figure("an event reaches 1000 streams, p99", delays, "ms", at_most(250)),
        figure("events that did not come", [float(missed)], "", exactly(0)),
    ]


@contextmanager
def fake(jobs: int, latency: float) -> Iterator[str]:
    """A fake of Replicate with so many active jobs; its address."""
    command = [sys.executable, "-c", FAKE, "--jobs", str(jobs), "--latency", str(latency)]
    with Popen(command, cwd=ROOT, env=environment(), stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def settings_at(data: Path, url: str) -> None:
    """The settings of a folder: nothing is polled by itself, and many streams may be open."""
    data.mkdir()
    settings = {
        "background": {"job_status_polling": {"enabled": False}},
        "providers": {"replicate": {"token": "r8_fake", "base_url": url, "hardware": "gpu-t4"}},
        "events_per_address": 10 * CLIENTS,
    }
    (data / "tasuki.yaml").write_text(json.dumps(settings))


async def one_round(data: Path) -> tuple[float, int]:
    """Seconds and requests of a poll round over all jobs, which are known before."""
    async with Jobs(load(dir=str(data))) as jobs:
        await jobs.sync()
        requests = 0

        async def count(_: httpx.Request) -> None:
            nonlocal requests
            requests += 1

        jobs.desk.provider("replicate").client.event_hooks["request"].append(count)  # type: ignore[attr-defined] # of this one
        began = monotonic()
        await jobs.refresh("poller")
        return monotonic() - began, requests


async def many_rounds(data: Path, rounds: int) -> float:
    """How many MB the process gains in many rounds, after the first ones."""
    async with Jobs(load(dir=str(data))) as jobs:
        await jobs.sync()
        for _ in range(20):
            await jobs.refresh("poller")
        before = psutil.Process().memory_info().rss
        for _ in range(rounds):
            await jobs.refresh("poller")
        return (psutil.Process().memory_info().rss - before) / 2**20


def listing(url: str) -> float:
    """Seconds for all jobs, in two answers: the median of some tries."""
    connection = HTTPConnection(urlsplit(url).netloc)
    times = []
    for _ in range(20):
        began = monotonic()
        for offset in (0, 500):
            connection.request("GET", f"/api/cloud/jobs?limit=500&offset={offset}")
            answer = connection.getresponse().read()
        times.append(monotonic() - began)
    assert json.loads(answer)["total"] == JOBS
    connection.close()
    return median(times)


async def streams(data: Path, fake_url: str) -> tuple[list[float], int]:
    """Seconds until each change has reached each stream, and how many never did."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with serving(data) as url:
        async with httpx.AsyncClient(timeout=30) as client:
            await client.post(f"{url}/api/cloud/jobs/sync")
            (job,) = (await client.get(f"{url}/api/cloud/jobs")).json()["jobs"]
            secret = (
                await client.get(f"{fake_url}/v1/webhooks/default/secret", headers={"Authorization": "Bearer r8_fake"})
            ).json()
            clients = [await Stream.open(url) for _ in range(CLIENTS)]
            idle = await Stream.open(url)
            readers = [asyncio.create_task(one.read()) for one in clients]
            sent = []
            for number in range(CHANGES):
                sent.append(monotonic())
                await client.post(f"{url}/api/webhooks/replicate", **message(secret["key"], job["external_id"], number))
                await asyncio.sleep(0.5)
            await asyncio.sleep(1)
            for task in readers:
                task.cancel()
            for one in (*clients, idle):
                one.writer.close()
    delays = [at - sent[number] for one in clients for number, at in one.came.items()]
    return delays, CLIENTS * CHANGES - len(delays)


def message(key: str, external_id: str, number: int) -> dict[str, object]:
    """A webhook that says something new of a job."""
    body = json.dumps({"id": external_id, "status": f"word {number}"}).encode()
    timestamp, name = str(int(time())), f"m{number}"
    signed = signature(base64.b64decode(key.removeprefix("whsec_")), name, timestamp, body)
    return {"content": body, "headers": {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": signed}}


class Stream:
    """An open event stream, and when each change came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.came: dict[int, float] = {}

    @classmethod
    async def open(cls, url: str) -> "Stream":
        """Ask for the events, and wait for the first word."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"connection")
        return cls(reader, writer)

    async def read(self) -> None:
        """Note when each change comes."""
        async for line in self.reader:
            _, found, rest = line.partition(b'"raw_status":"word ')
            if found:
                self.came[int(rest.partition(b'"')[0])] = monotonic()


QUESTION = Question("What does watching a thousand jobs cost?", __doc__, measure)
