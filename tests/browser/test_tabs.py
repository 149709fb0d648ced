"""All tabs of a browser share one event stream, and none of them misses anything."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.browser.conftest import Server, Trainer, Watched
from tests.browser.test_live import wait_until_drawn

pytestmark = pytest.mark.browser


class Tabs:
    """Tabs of one browser, and the event streams that they hold."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context = context
        self.server = server
        self.watched: list[Watched] = []
        self.streams: set[Request] = set()
        context.on("request", lambda request: "/api/events" in request.url and self.streams.add(request))
        for over in ("requestfinished", "requestfailed"):
            context.on(over, lambda request: self.streams.discard(request))

    def open(self, fragment: str) -> Page:
        """One more tab."""
        self.watched.append(Watched(self.context.new_page()))
        return self.watched[-1].open(self.server.url + fragment)


@pytest.fixture
def tabs(browser: Browser, server: Server) -> Iterator[Tabs]:
    with browser.new_context() as context:
        found = Tabs(context, server)
        yield found
    assert [problem for watched in found.watched for problem in watched.wrong] == []


def test_seven_tabs_are_live_over_one_stream(train: Callable[[], Trainer], tabs: Tabs) -> None:
    digits, vision = train(), train()
    digits.start("digits")
    vision.start("vision")
    for trainer in (digits, vision):
        trainer.log(0, 5, loss=1)
    pages = [tabs.open(f"#project={name}") for name in ["digits"] * 3 + ["vision"] * 4]
    for page in pages:
        wait_until_drawn(page, "loss", 4, 10)
    assert len(tabs.streams) == 1
    for trainer in (digits, vision):
        trainer.log(5, loss=0.5)
    for page in pages:
        wait_until_drawn(page, "loss", 5, 3)
    assert len(tabs.streams) == 1


def test_when_the_tab_that_holds_the_stream_is_closed_another_goes_on_where_it_was(trainer: Trainer, tabs: Tabs) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    first, *others = [tabs.open("#project=digits") for _ in range(3)]
    for page in (first, *others):
        wait_until_drawn(page, "loss", 4, 10)
    (held,) = tabs.streams
    assert held.frame.page == first
    asked = len(tabs.watched[1].series_asked())
    first.close()
    trainer.log(5, 8, loss=0.5)
    for page in others:
        wait_until_drawn(page, "loss", 7, 5)
    assert len(tabs.watched[1].series_asked()) == asked, "what came in between was replayed, not fetched anew"
    assert len(tabs.streams - {held}) == 1


def test_without_locks_each_tab_has_a_stream_of_its_own(trainer: Trainer, tabs: Tabs) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    tabs.context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })")
    pages = [tabs.open("#project=digits") for _ in range(2)]
    for page in pages:
        wait_until_drawn(page, "loss", 4, 10)
    assert len(tabs.streams) == 2
    trainer.log(5, loss=0.5)
    for page in pages:
        wait_until_drawn(page, "loss", 5, 3)


def test_a_tab_with_a_project_that_is_not_theirs_takes_the_stream_from_no_other(
    server: Server, trainer: Trainer, tabs: Tabs
) -> None:
    with open_tokens(server.folder) as tokens:
        text = tokens.create(Scope.READ, "digits")
    trainer.start()
    trainer.log(0, 5, loss=1)
    mine, other = tabs.context.new_page(), tabs.context.new_page()
    mine.goto(f"{server.url}#project=digits")
    mine.get_by_label("Token").fill(text)
    mine.get_by_role("button", name="Log in").click()
    wait_until_drawn(mine, "loss", 4, 10)
    other.goto(f"{server.url}#project=vision")
    expect(other.get_by_text("No project")).to_be_visible()
    expect(mine.locator("#live")).to_have_text("offline")
    expect(mine.locator("#live")).to_have_text("live", timeout=10_000)
    trainer.log(5, loss=0.5)
    wait_until_drawn(mine, "loss", 5, 3)


def test_a_tab_that_is_silent_loses_the_stream_to_another(trainer: Trainer, tabs: Tabs) -> None:
    trainer.start()
    trainer.log(0, 5, loss=1)
    silent, other = (tabs.open("#project=digits") for _ in range(2))
    for page in (silent, other):
        wait_until_drawn(page, "loss", 4, 10)
    (held,) = tabs.streams
    assert held.frame.page == silent
    tabs.context.new_cdp_session(silent).send("Page.setWebLifecycleState", {"state": "frozen"})
    trainer.log(5, loss=0.5)
    other.evaluate("() => { const now = performance.now.bind(performance); performance.now = () => now() + 60_000; }")
    wait_until_drawn(other, "loss", 5, 10)
    trainer.log(6, loss=0.4)
    wait_until_drawn(other, "loss", 6, 3)
