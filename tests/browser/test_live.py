"""What is logged appears by itself, soon."""

import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, Trainer, Watched, environment
from tests.browser.test_page import check_axe
from tests.support.remote_server import free_port

pytestmark = pytest.mark.browser


def chart(page: Page, metric: str) -> str:
    return f'[data-metric="{metric}"] .canvas'


def drawn(page: Page, metric: str) -> int:
    """The last step that the chart shows; -1 for none."""
    found = page.evaluate("(place) => document.querySelector(place)?.dataset.drawn ?? ''", chart(page, metric))
    return int(found) if found else -1


def wait_until_drawn(page: Page, metric: str, step: int, seconds: float) -> None:
    page.wait_for_function(
        "([place, step]) => Number(document.querySelector(place)?.dataset.drawn || -1) >= step",
        arg=[chart(page, metric), step],
        timeout=seconds * 1000,
    )


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_point_after_a_quiet_second_is_drawn_within_a_second(trainer: Trainer, visit: Callable[..., Watched], theme: str) -> None:
    trainer.start()
    trainer.log(0, 10, train__loss=1.5)
    watched = visit("#project=digits", dark=theme == "dark")
    page = watched.page
    wait_until_drawn(page, "train/loss", 9, 10)
    page.evaluate("window.sameDocument = true")
    for step in range(10, 14):
        time.sleep(1.2)
        asked = len(watched.series_asked())
        trainer.log(step, train__loss=1.5 / step)
        wait_until_drawn(page, "train/loss", step, 1)
        assert len(watched.series_asked()) == asked, "a live point is not a reason to ask for the series again"
    assert page.evaluate("window.sameDocument") is True
    watched.keep(f"quiet-{theme}")


def test_stream_is_drawn_within_two_seconds(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, train__loss=2)
    page = visit("#project=digits").page
    wait_until_drawn(page, "train/loss", 0, 10)
    page.evaluate("window.sameDocument = true")
    made: list[tuple[float, int]] = []
    started, step = time.monotonic(), 1
    while time.monotonic() - started < 8:
        trainer.log(step, step + 5, train__loss=2 / step)
        step += 5
        made.append((time.monotonic(), step - 1))
        due = max((last for at, last in made if time.monotonic() - at >= 2), default=0)
        assert drawn(page, "train/loss") >= due
        time.sleep(0.02)
    wait_until_drawn(page, "train/loss", step - 1, 2)
    assert page.evaluate("window.sameDocument") is True


def test_burst_is_asked_for_once_and_whole(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, train__loss=1)
    watched = visit("#project=digits")
    wait_until_drawn(watched.page, "train/loss", 0, 10)
    before = len(watched.series_asked())
    trainer.log(1, 20_001, train__loss=0.5)
    wait_until_drawn(watched.page, "train/loss", 20_000, 5)
    expect(watched.page.locator('[data-metric="train/loss"] footer')).to_contain_text("20,001 points →", timeout=5000)
    assert len(watched.series_asked()) - before <= 6


def test_first_run_of_an_empty_folder_appears(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    watched = visit()
    expect(watched.page.get_by_role("heading", name="No runs yet")).to_be_visible()
    watched.keep("empty")
    trainer.start()
    trainer.log(0, 5, loss=1)
    wait_until_drawn(watched.page, "loss", 4, 10)
    expect(watched.page.get_by_role("gridcell", name="calm-otter").first).to_be_visible()


def test_new_run_metric_and_end_appear(train: Callable[[], Trainer], visit: Callable[..., Watched]) -> None:
    first, second = train(), train()
    first.start(name="first")
    first.log(0, 5, loss=1)
    page = visit("#project=digits").page
    wait_until_drawn(page, "loss", 4, 10)
    second.start(name="second")
    second.log(0, 9, loss=2, accuracy=0.5)
    wait_until_drawn(page, "loss", 8, 5)
    wait_until_drawn(page, "accuracy", 8, 5)
    row = page.get_by_role("row").filter(has_text="second")
    expect(row.get_by_text("running")).to_be_visible()
    second.do("alert", title="the loss is too high", level="error", step=8)
    expect(page.get_by_role("status").get_by_text("the loss is too high")).to_be_visible(timeout=5000)
    second.do("finish", status="failed", reason="diverged")
    expect(row.get_by_text("failed")).to_be_visible(timeout=5000)
    expect(page.locator("#sync")).to_have_text("all 23 points here", timeout=8000)


def test_pill_says_how_many_records_are_missing(server: Server, trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    watched = visit("#project=digits")
    page = watched.page
    pill = page.locator("#sync")
    expect(pill).to_have_text("all 5 points here")
    projectors = psutil.Process(server.process.pid).children(recursive=True)
    assert projectors
    for projector in projectors:
        projector.suspend()
    try:
        trainer.log(5, 12, loss=0.5)
        expect(pill).to_have_text("7 records missing", timeout=12_000)
        watched.keep("missing")
    finally:
        for projector in projectors:
            projector.resume()
    expect(pill).to_have_text("all 12 points here", timeout=10_000)
    wait_until_drawn(page, "loss", 11, 5)


def test_pill_says_that_records_wait_for_a_server_that_is_down(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    remote = f"http://127.0.0.1:{free_port()}"
    trainer.start(remote=remote)
    trainer.log(0, 1100, loss=1)
    watched = visit("#project=digits")
    expect(watched.page.locator("#sync")).to_contain_text(f"records wait for {remote}", timeout=20_000)
    check_axe(watched.page)
    watched.keep("backlog")


def test_page_loads_everything_anew_after_a_rebuild(server: Server, trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    watched = visit("#project=digits")
    page = watched.page
    wait_until_drawn(page, "loss", 4, 10)
    page.evaluate("() => { window.sameDocument = true; }")
    rebuild = [sys.executable, "-m", "tasuki", "rebuild", "--dir", str(server.folder)]
    subprocess.run(rebuild, env=environment(server.folder), check=True, capture_output=True, timeout=60)
    with page.expect_response(lambda response: "/api/v1/series" in response.url, timeout=10_000):
        pass
    trainer.log(5, loss=0.5)
    wait_until_drawn(page, "loss", 5, 3)
    expect(page.locator("#sync")).to_have_text("all 6 points here", timeout=8000)
    assert page.evaluate("() => window.sameDocument") is True


def test_page_goes_on_after_the_server_was_killed(server: Server, trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    watched = visit("#project=digits")
    page = watched.page
    wait_until_drawn(page, "loss", 4, 10)
    server.kill()
    expect(page.locator("#live")).to_have_text("offline", timeout=10_000)
    trainer.log(5, 8, loss=0.5)
    server.start()
    expect(page.locator("#live")).to_have_text("live", timeout=20_000)
    wait_until_drawn(page, "loss", 7, 10)
    trainer.log(8, loss=0.25)
    wait_until_drawn(page, "loss", 8, 2)
    expect(page.locator("#sync")).to_have_text("all 9 points here", timeout=8000)
    # What the browser says of a server that is not there is no fault of the page.
    watched.wrong[:] = [problem for problem in watched.wrong if "ERR_" not in problem]
