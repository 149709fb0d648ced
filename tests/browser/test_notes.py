"""The page's Notes list: what it shows, live, searched, in both themes and on a phone."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server, Trainer, Watched
from tests.browser.test_page import PHONE, SCRIPT, check_axe, view

pytestmark = pytest.mark.browser

LONG = "and then the other thing " * 40


def note_some(trainer: Trainer) -> None:
    """A run with notes of each kind, one of which conflicts with another."""
    trainer.start(name="calm-otter")
    trainer.do("correct", draft="The model converge fast.", final="The model converges.", category="TONE", severity="major")
    trainer.do("lesson", text="lr above 1e-2 diverges on digits", confidence=0.8, category="lr")
    trainer.do("event", name="checkpoint saved", data={"epoch": 3, "path": "runs/3.pt"})
    trainer.do("correct", draft=LONG, final=SCRIPT, session=12, context={"file": "report.md"})
    for final in ("one", "another"):
        trainer.do("correct", draft="which", final=final, idempotency_key="k")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_notes_of_all_kinds_are_shown_and_accessible(trainer: Trainer, visit: Callable[..., Watched], theme: str) -> None:
    note_some(trainer)
    watched = visit("#project=digits", dark=theme == "dark")
    page = watched.page
    page.get_by_role("button", name="Notes", exact=True).click()
    rows = page.locator(".note")
    expect(rows).to_have_count(6)
    expect(rows.nth(0)).to_contain_text("conflict")
    expect(rows.nth(3)).to_contain_text("checkpoint saved")
    expect(rows.nth(4)).to_contain_text("80 % sure")
    expect(rows.nth(5)).to_contain_text("The model converges.")
    expect(rows.nth(2)).to_contain_text(SCRIPT)
    assert page.evaluate("window.executed") is None
    assert view(page)["page"] == "notes"
    check_axe(page)
    watched.keep(f"notes-{theme}")
    rows.nth(2).get_by_role("button", name="all 1,000 characters").click()
    expect(rows.nth(2)).to_contain_text(LONG.strip())
    check_axe(page)


def test_notes_are_searched_and_filtered_by_kind(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    note_some(trainer)
    page = visit("#project=digits&page=notes").page
    rows = page.locator(".note")
    expect(rows).to_have_count(6)
    page.get_by_role("button", name="Lessons").click()
    expect(rows).to_have_count(1)
    assert view(page)["kind"] == "lesson"
    page.get_by_role("button", name="All", exact=True).click()
    page.keyboard.press("/")
    page.keyboard.type("CONVERGES")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("No note is like that.")).to_be_visible()
    page.get_by_role("button", name="Runs", exact=True).click()
    expect(page.get_by_role("searchbox", name="Filter runs")).to_have_value("")


def test_a_note_appears_within_five_seconds_of_its_call(
    server: Server, trainer: Trainer, visit: Callable[..., Watched], tmp_path: Path
) -> None:
    brain = trainer.do("brain", dir=str(tmp_path / "reviewer"), remote=server.url.rstrip("/"))
    trainer.do("lesson", text="the first")
    trainer.do("end_session")
    page = visit(f"#project={brain}").page
    expect(page.locator(".note")).to_have_count(1)  # a brain has no runs: its notes are what is shown
    trainer.do("lesson", text="the second")
    expect(page.locator(".note").first).to_contain_text("the second", timeout=5000)
    body = {"brain_id": brain, "correction": {"session": 1, "draft_preview": "a", "final_preview": "of a light client"}}
    assert httpx.post(f"{server.url}api/v1/ingest", json=body).status_code == 200
    expect(page.locator(".note").first).to_contain_text("of a light client", timeout=5000)


def test_notes_are_usable_on_a_phone(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    note_some(trainer)
    watched = visit("#project=digits", size=PHONE)
    page = watched.page
    page.get_by_role("button", name="Notes").click()
    expect(page.locator(".note")).to_have_count(6)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    check_axe(page)
    watched.keep("notes-phone")


def test_a_long_list_shows_more_when_asked(server: Server, visit: Callable[..., Watched]) -> None:
    body = {"brain_name": "b", "lessons": [{"text": f"lesson {number}"} for number in range(450)]}
    assert httpx.post(f"{server.url}api/v1/sync", json=body).status_code == 200
    page = visit("#project=b").page
    expect(page.locator(".note")).to_have_count(200)
    for count in (400, 450):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(".note")).to_have_count(count)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
