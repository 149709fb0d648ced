"""A real server, real training processes, a real Chromium. Every console error, page error and bad answer fails the test."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, sync_playwright

from tests.support.job_servers import Site, site_at

TRAINER = Path(__file__).with_name("trainer.py")
SERVE = Path(__file__).with_name("serve.py")
CHROMIUM_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1440, "height": 900}
SCREENSHOTS = os.environ.get("TASUKI_SCREENSHOTS")
"""A folder: what the tests look at is kept there as PNG."""


def environment(home: Path) -> dict[str, str]:
    """A user's environment without their settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")} | {"HOME": str(home)}


class Server:
    """`tasuki serve` over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had."""
        command = [sys.executable, str(SERVE), str(self.folder), str(self.port)]
        self.process = subprocess.Popen(command, env=environment(self.folder), stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                break
        else:
            pytest.fail(f"the server did not start: {''.join(self.said)}")
        self.listener = threading.Thread(target=self.said.extend, args=(self.process.stderr,), daemon=True)
        self.listener.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.wait()

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)
        self.wait()

    def wait(self) -> None:
        """Its end, and that of the process that it leaves behind: the projector holds stderr."""
        self.process.wait(10)
        self.listener.join(10)
        assert self.process.stderr is not None
        self.process.stderr.close()


class Trainer:
    """A training process that logs when it is told to."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(TRAINER), str(folder)]
        self.process = subprocess.Popen(
            command, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.run = ""

    def do(self, what: str, **call: Any) -> str:
        """Do it; when this returns, it is done. The run's id."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what} | call) + "\n")
        answer = self.process.stdout.readline()
        assert answer, f"the training process failed at {what}"
        self.run = answer.strip()
        return self.run

    def start(self, project: str = "digits", name: str = "calm-otter", **more: Any) -> str:
        """Begin a run."""
        return self.do("start", project=project, name=name, **more)

    def log(self, step: int, until: int | None = None, **values: float | str) -> None:
        """Log values at a step, or at all steps up to another one; `__` in a name stands for a slash."""
        named = {name.replace("__", "/"): value for name, value in values.items()}
        self.do("log", step=step, until=step + 1 if until is None else until, values=named)

    def end(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        self.asked: list[str] = []
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("response", self.answered)
        page.on("request", lambda request: self.asked.append(request.url))

    def heard(self, message: ConsoleMessage) -> None:
        """The page wrote on the console."""
        if message.type in ("error", "warning"):
            self.wrong.append(f"console {message.type}: {message.text} {message.location.get('url', '')}")

    def answered(self, response: Response) -> None:
        """The server answered."""
        if response.status >= 400:
            self.wrong.append(f"{response.status} {response.url}")

    def open(self, url: str) -> Page:
        """Go there, trying twice."""
        try:
            self.page.goto(url, wait_until="load")
        except Error:
            self.page.goto(url, wait_until="load")
        return self.page

    def series_asked(self) -> list[str]:
        """The requests for series so far."""
        return [url for url in self.asked if "/api/v1/series" in url]

    def keep(self, name: str) -> None:
        """Keep a picture for a person to look at."""
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        reason = "chromium is not installed: apt-get install chromium fonts-dejavu-core"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        try:
            found = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        except Error:
            found = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server over an empty folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    made = Server(folder)
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with jobs, and a Replicate beside it."""
    with site_at(tmp_path / "data") as site:
        yield site


@pytest.fixture
def train(server: Server) -> Iterator[Callable[[], Trainer]]:
    """Starts training processes that write into the server's folder."""
    started: list[Trainer] = []

    def begin() -> Trainer:
        started.append(Trainer(server.folder))
        return started[-1]

    yield begin
    for trainer in started:
        trainer.end()


@pytest.fixture
def trainer(train: Callable[[], Trainer]) -> Trainer:
    """One training process."""
    return train()


@pytest.fixture
def visit(server: Server, visit_site: Callable[..., Watched]) -> Callable[..., Watched]:
    """Opens the page: `visit("#project=digits", dark=True)`; at the end nothing may have gone wrong on it."""

    def go(fragment: str = "", **how: Any) -> Watched:
        return visit_site(server.url + fragment, **how)

    return go


@pytest.fixture
def visit_site(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """The same for a whole address."""
    opened: list[Watched] = []
    contexts = []

    def go(url: str, *, dark: bool = False, size: dict[str, int] | None = None) -> Watched:
        context = browser.new_context(viewport=size or DESKTOP, color_scheme="dark" if dark else "light")
        contexts.append(context)
        context.set_default_timeout(15_000)
        opened.append(Watched(context.new_page()))
        opened[-1].open(url)
        return opened[-1]

    yield go
    for context in contexts:
        context.close()
    assert [problem for watched in opened for problem in watched.wrong] == []
