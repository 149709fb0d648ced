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

from benchmarks.child import ROOT, build_environment
from benchmarks.machine import temporary_folder
from benchmarks.rows import Benchmark, BenchmarkSize, ResultRow, at_most, build_row, compute_percentile, exactly
from benchmarks.serving import run_server
from tasuki.jobs import Jobs, compute_signature
from tasuki.settings import load

__all__ = ["BENCHMARK", "measure"]

JOB_COUNT = 1000
CLIENT_COUNT = 1000
LATENCY_SECONDS = 0.02
CHANGE_COUNT = 10
FAKE_REPLICATE_SCRIPT = "from tasuki.testing.fake_replicate import main; main()"


def measure(size: BenchmarkSize) -> list[ResultRow]:
    """Rounds, listings, memory, streams."""
    rounds, asked, listed, growth, delays, missed = [], [], [], [], [], 0
    for _ in range(size.runs):
        with temporary_folder() as place, run_fake_replicate(JOB_COUNT, LATENCY_SECONDS) as url:
            write_settings(place / "data", url)
            seconds, requests = asyncio.run(measure_poll(place / "data"))
            rounds.append(seconds)
            asked.append(float(requests))
            with run_server(place / "data") as server:
                listed.append(1000 * measure_listing(server))
        with temporary_folder() as place, run_fake_replicate(50, 0) as url:
            write_settings(place / "data", url)
            growth.append(asyncio.run(measure_memory_growth(place / "data", 1000 if size.name != "quick" else 100)))
        with temporary_folder() as place, run_fake_replicate(1, 0) as url:
            write_settings(place / "data", url)
            found, gone = asyncio.run(measure_streams(place / "data", url))
            delays.append(1000 * compute_percentile(found, 99))
            missed += gone
    return [
        build_row("a round over 1000 active jobs, at 20 ms", rounds, "s", at_most(2)),
        build_row("requests to the provider in a round", asked, "", at_most(15)),
        build_row("listing 1000 jobs over HTTP", listed, "ms", at_most(50)),
        build_row("memory gained over many rounds", growth, "MB", at_most(2)),
        build_row("an event reaches 1000 streams, p99", delays, "ms", at_most(250)),
        build_row("events that did not come", [float(missed)], "", exactly(0)),
    ]


@contextmanager
def run_fake_replicate(jobs: int, latency: float) -> Iterator[str]:
    """A fake of Replicate with so many active jobs; its address."""
    command = [sys.executable, "-c", FAKE_REPLICATE_SCRIPT, "--jobs", str(jobs), "--latency", str(latency)]
    with Popen(command, cwd=ROOT, env=build_environment(), stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def write_settings(data: Path, url: str) -> None:
    """The settings of a folder: nothing is polled by itself, and many streams may be open."""
    data.mkdir()
    settings = {
        "background": {"job_status_polling": {"enabled": False}},
        "providers": {"replicate": {"token": "r8_fake", "base_url": url, "hardware": "gpu-t4"}},
        "events_per_address": 10 * CLIENT_COUNT,
    }
    (data / "tasuki.yaml").write_text(json.dumps(settings))


async def measure_poll(data: Path) -> tuple[float, int]:
    """Seconds and requests of a poll round over all jobs, which are known before."""
    async with Jobs(load(dir=str(data))) as jobs:
        await jobs.sync()
        requests = 0

        async def count_request(_: httpx.Request) -> None:
            nonlocal requests
            requests += 1

        jobs.context.providers.open("replicate").client.event_hooks["request"].append(count_request)  # type: ignore[attr-defined] # of this one
        began = monotonic()
        await jobs.refresh("poller")
        return monotonic() - began, requests


async def measure_memory_growth(data: Path, rounds: int) -> float:
    """How many MB the process gains in many rounds, after the first ones."""
    async with Jobs(load(dir=str(data))) as jobs:
        await jobs.sync()
        for _ in range(20):
            await jobs.refresh("poller")
        before = psutil.Process().memory_info().rss
        for _ in range(rounds):
            await jobs.refresh("poller")
        return (psutil.Process().memory_info().rss - before) / 2**20


def measure_listing(url: str) -> float:
    """Seconds for all jobs, in two answers: the median of some tries."""
    connection = HTTPConnection(urlsplit(url).netloc)
    times = []
    for _ in range(20):
        began = monotonic()
        for offset in (0, 500):
            connection.request("GET", f"/api/cloud/jobs?limit=500&offset={offset}")
            answer = connection.getresponse().read()
        times.append(monotonic() - began)
    assert json.loads(answer)["total"] == JOB_COUNT
    connection.close()
    return median(times)


async def measure_streams(data: Path, fake_url: str) -> tuple[list[float], int]:
    """Seconds until each change has reached each stream, and how many never did."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with run_server(data) as url:
        async with httpx.AsyncClient(timeout=30) as client:
            await client.post(f"{url}/api/cloud/jobs/sync")
            (job,) = (await client.get(f"{url}/api/cloud/jobs")).json()["jobs"]
            secret = (
                await client.get(f"{fake_url}/v1/webhooks/default/secret", headers={"Authorization": "Bearer r8_fake"})
            ).json()
            clients = [await EventStreamClient.open(url) for _ in range(CLIENT_COUNT)]
            idle = await EventStreamClient.open(url)
            readers = [asyncio.create_task(one.read()) for one in clients]
            sent = []
            for number in range(CHANGE_COUNT):
                sent.append(monotonic())
                await client.post(f"{url}/api/webhooks/replicate", **build_webhook(secret["key"], job["external_id"], number))
                await asyncio.sleep(0.5)
            await asyncio.sleep(1)
            for task in readers:
                task.cancel()
            for one in (*clients, idle):
                one.writer.close()
    delays = [at - sent[number] for one in clients for number, at in one.arrival_times.items()]
    return delays, CLIENT_COUNT * CHANGE_COUNT - len(delays)


def build_webhook(key: str, external_id: str, number: int) -> dict[str, object]:
    """A webhook that says something new of a job."""
    body = json.dumps({"id": external_id, "status": f"word {number}"}).encode()
    timestamp, name = str(int(time())), f"m{number}"
    signed = compute_signature(base64.b64decode(key.removeprefix("whsec_")), name, timestamp, body)
    return {"content": body, "headers": {"webhook-id": name, "webhook-timestamp": timestamp, "webhook-signature": signed}}


class EventStreamClient:
    """An open event stream, and when each change came."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.arrival_times: dict[int, float] = {}

    @classmethod
    async def open(cls, url: str) -> "EventStreamClient":
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
                self.arrival_times[int(rest.partition(b'"')[0])] = monotonic()


BENCHMARK = Benchmark("What does watching a thousand jobs cost?", __doc__, measure)
