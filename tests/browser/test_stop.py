"""The page's button asks a run to stop."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Trainer, Watched

pytestmark = pytest.mark.browser


def test_the_button_stops_the_run_under_the_cursor_after_a_second_click(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    run = trainer.start()
    trainer.log(0, 5, loss=1)
    watched = visit("#project=digits")
    page = watched.page
    row = page.locator(f"#run-{run}")
    expect(row.locator(".state .word")).to_have_text("running")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    row.click()
    page.get_by_role("button", name="Stop", exact=True).click()
    page.get_by_role("button", name="Stop calm-otter?").click()
    expect(row.locator(".state .word")).to_have_text("stopping")
    expect(page.get_by_text("asked to stop")).to_be_visible()
    watched.keep("stopping")
    trainer.do("stopped")
    trainer.do("finish")
    expect(row.locator(".state .word")).to_have_text("finished")
    page.wait_for_function("() => document.querySelector('[data-metric=\"stopped\"] .canvas')?.dataset.drawn === '5'")
    page.reload()
    expect(row.locator(".state .word")).to_have_text("finished")
