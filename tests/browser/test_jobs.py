"""The page of jobs: live over a real server, with real processes here and a faithful Replicate elsewhere."""

import re
import sys
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Watched
from tests.browser.test_page import PHONE, SCRIPT, check_axe, view
from tests.support.job_servers import Site
from tests.support.servers import Server

pytestmark = pytest.mark.browser

PAGE = "/#page=jobs"
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;a title\x07\x1b]8;;javascript:alert(1)\x07a link\x1b]8;;\x07 \x1b[2J\x1b[Hhome \u202eforwards"
TRAINING = "Loading weights\nEpoch 1/100, Steps: 30%|###       | 1500/5000 [12:33<29:10,  2.0it/s]\n"


@pytest.fixture
def server(site: Site) -> Server:
    return site.server


def row(page: Page, id: str) -> Locator:
    return page.locator(f"#job-{id}")


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def one_of_each(site: Site) -> dict[str, str]:
    """A job in each state that there is to be seen, by its status."""
    found: dict[str, str] = {}
    for status, there in (("queued", "starting"), ("completed", "succeeded"), ("failed", "failed"), ("cancelled", "canceled")):
        job = site.submit(config_name=f"lora-{status}", inputs={"prompt": status})
        found[status] = job["job_id"]
        more = {"error": "CUDA out of memory. Tried to allocate 2.00 GiB"} if status == "failed" else {}
        more |= {"output": "https://example.com/weights.tar", "metrics": {"predict_time": 4000}} if status == "completed" else {}
        site.fake.set(job["external_id"], status=there, **more)
    found["running"], _ = site.running(TRAINING)
    site.fake.add(status="processing", logs="Loading weights\n")
    site.sync()
    return found


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_jobs_of_all_states_are_shown_and_accessible(site: Site, visit: Callable[..., Watched], theme: str) -> None:
    jobs = one_of_each(site)
    watched = visit(PAGE, dark=theme == "dark")
    page = watched.page
    for status, id in jobs.items():
        expect(row(page, id).locator(".state")).to_have_text(status)
        expect(row(page, id).locator(".state svg")).to_be_visible()
    running = row(page, jobs["running"])
    expect(running.locator(".way")).to_contain_text("Training")
    expect(running.locator(".way")).to_contain_text("30%")
    expect(running.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "30")
    expect(running.locator(".last")).to_have_text(re.compile(r"^Epoch 1/100, Steps: 30%.* 1500/5000"))
    expect(row(page, jobs["failed"])).to_contain_text("CUDA out of memory")
    expect(row(page, jobs["completed"]).get_by_role("link", name="Output")).to_have_attribute("href", re.compile("^https://"))
    expect(row(page, jobs["completed"]).locator(".cost")).to_have_text("$0.90")  # 4000 s at $0.000225
    check_axe(page)
    watched.keep(f"jobs-{theme}")
    running.get_by_role("button", name=re.compile("^Logs of")).click()
    expect(page.locator(".log pre")).to_contain_text("Loading weights")
    check_axe(page)
    watched.keep(f"jobs-log-{theme}")
    page.get_by_role("button", name=re.compile("^Cancel ")).last.click()
    expect(page.get_by_role("dialog")).to_contain_text("Cancel this job?")
    check_axe(page)


def test_a_webhooks_change_is_on_the_page_within_a_second(site: Site, visit: Callable[..., Watched]) -> None:
    job = site.submit(inputs={"prompt": "x"})
    watched = visit(PAGE)
    page = watched.page
    state = row(page, job["job_id"]).locator(".state")
    expect(state).to_have_text("queued")
    expect(page.locator("#live")).to_have_text("live")
    page.evaluate("() => { window.sameDocument = true; }")
    for there, here in (("processing", "running"), ("succeeded", "completed")):
        site.fake.set(job["external_id"], status=there, webhook=False)
        body = site.fake.render(site.fake.objects[job["external_id"]])
        began = time.monotonic()
        assert site.webhook(body).status_code == 200
        expect(state).to_have_text(here, timeout=1000)
        assert time.monotonic() - began < 1
    expect(page.get_by_role("group", name="States").get_by_role("button", name="completed")).to_contain_text("1")
    assert page.evaluate("window.sameDocument") is True


WATCH_SYNC = """() => {
    const seen = (window.seen = []);
    const note = (what, is) => is && !seen.includes(what) && seen.push(what);
    new MutationObserver(() => {
        const busy = document.querySelector('#sync-jobs').getAttribute('aria-busy') === 'true';
        note('spinner', busy && getComputedStyle(document.querySelector('#sync-jobs svg')).animationName === 'turn');
        note('toast', document.querySelector('.toasts')?.textContent.includes('Discovered 3 new jobs from Replicate'));
        note('rows', document.querySelectorAll('.job').length === 3);
        note('header', document.querySelector('.chip.completed b')?.textContent === '2');
        note('rest', seen.includes('spinner') && !busy);
    }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def test_the_sync_button_shows_a_spinner_then_the_message_then_rows_and_header(site: Site, visit: Callable[..., Watched]) -> None:
    watched = visit(PAGE)
    page = watched.page
    expect(page.get_by_text("No jobs yet.")).to_be_visible()
    for status in ("succeeded", "succeeded", "processing"):
        site.fake.add(status=status, metrics={"predict_time": 1000} if status == "succeeded" else {})
    page.evaluate(WATCH_SYNC)
    site.fake.latency_seconds = 0.3
    button = page.get_by_role("button", name="Sync", exact=True)
    button.click()
    expect(page.locator("#sync-jobs")).to_have_attribute("aria-busy", "true")
    watched.keep("jobs-syncing")
    expect(page.get_by_role("status").get_by_text("Discovered 3 new jobs from Replicate")).to_be_visible()
    expect(page.locator(".job")).to_have_count(3)
    expect(page.get_by_role("group", name="States")).to_contain_text("All3running1completed2")
    expect(page.locator(".spent")).to_contain_text("$0.45")
    expect(button).to_have_attribute("aria-busy", "false")
    seen = page.evaluate("window.seen")
    assert seen[0] == "spinner"
    assert set(seen) == {"spinner", "toast", "rows", "header", "rest"}
    watched.keep("jobs-synced")


def test_a_sync_that_fails_says_why(site: Site, visit: Callable[..., Watched]) -> None:
    page = visit(PAGE).page
    site.fake.fail("/v1/", 401)
    page.get_by_role("button", name="Sync", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Replicate")).to_be_visible()
    expect(page.locator("#sync-jobs")).to_have_attribute("aria-busy", "false")


def test_what_is_asked_of_the_server_and_when(site: Site, visit: Callable[..., Watched]) -> None:
    running, external = site.running(TRAINING)
    over = site.submit(inputs={"prompt": "over"})
    site.fake.set(over["external_id"], status="succeeded")
    site.sync()
    watched = visit(PAGE)
    page = watched.page
    page.clock.install()
    watched.asked.clear()
    page.reload()
    expect(row(page, running).locator(".last")).to_be_visible()
    assert [url for url in watched.asked if "sync_active" in url] == [], "the page is loaded by a plain question"
    with page.expect_request(lambda request: request.url.endswith(f"jobs/{running}/inline-progress")):
        page.clock.fast_forward(5000)
    with page.expect_request(lambda request: "sync_active=true" in request.url):
        page.clock.fast_forward(25_000)
    assert [url for url in watched.asked if "inline-progress" in url and over["job_id"] in url] == []
    assert len([url for url in watched.asked if "sync_active" in url]) == 1
    site.fake.set(external, status="succeeded")
    page.clock.fast_forward(30_000)
    expect(row(page, running).locator(".state")).to_have_text("completed")
    asked = len(watched.asked)
    page.clock.fast_forward(10_000)
    page.wait_for_timeout(300)
    assert [url for url in watched.asked[asked:] if "inline-progress" in url] == [], "what is over is not asked for again"


def test_a_job_is_followed_cancelled_and_retried_on_a_phone(site: Site, visit: Callable[..., Watched]) -> None:
    script = "import time\nfor step in range(1, 1001):\n print(f'step {step}/1000', flush=True); time.sleep(0.1)"
    id = site.submit("local", config_name="a-job-with-a-very-long-name-that-no-phone-has-room-for", command=python(script))[
        "job_id"
    ]
    watched = visit(PAGE, size=PHONE)
    page = watched.page
    expect(row(page, id).locator(".state")).to_have_text("running")
    expect(row(page, id).get_by_role("progressbar")).to_be_visible()
    expect(row(page, id).locator(".last")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for button in row(page, id).get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 24
        assert box["width"] >= 24
    check_axe(page)
    watched.keep("jobs-phone")
    row(page, id).get_by_role("button", name=re.compile("^Cancel")).click()
    dialog = page.get_by_role("dialog")
    watched.keep("jobs-phone-cancel")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_have_count(0)
    expect(row(page, id).locator(".state")).to_have_text("running")
    row(page, id).get_by_role("button", name=re.compile("^Logs of")).click()
    expect(page.locator(".log pre")).to_contain_text("step 1/1000")
    expect(page.locator(".log .bar")).to_contain_text("live")
    check_axe(page)
    watched.keep("jobs-phone-log")
    assert view(page)["job"] == id
    page.get_by_role("button", name=re.compile("^Cancel")).click()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".job-sheet .state")).to_have_text("cancelled")
    expect(page.locator(".log .bar")).to_contain_text("complete")
    page.get_by_role("button", name="Back to the list").click()
    row(page, id).get_by_role("button", name=re.compile("^Retry")).click()
    dialog.get_by_role("button", name="Try again").click()
    expect(row(page, id).locator(".state")).to_have_text("running")
    expect(row(page, id)).to_contain_text("attempt 2")
    site.call("POST", f"jobs/{id}/cancel")
    site.until(id, "cancelled")


def test_jobs_are_filtered_by_state_and_provider_in_the_url(site: Site, visit: Callable[..., Watched]) -> None:
    here = site.submit("local", config_name="here", command=["true"])["job_id"]
    site.until(here, "completed")
    there, external = site.running()
    page = visit(PAGE).page
    expect(page.locator(".job")).to_have_count(2)
    states = page.get_by_role("group", name="States")
    states.get_by_role("button", name="completed").click()
    expect(page.locator(".job")).to_have_count(1)
    expect(row(page, here)).to_be_visible()
    page.get_by_label("Provider").select_option("replicate")
    expect(page.get_by_text("No job is like that.")).to_be_visible()
    assert {"state": "completed", "provider": "replicate"}.items() <= view(page).items()
    again = visit(f"/#{page.url.partition('#')[2]}").page
    expect(again.get_by_text("No job is like that.")).to_be_visible()
    site.fake.set(external, status="succeeded")
    site.refresh()
    expect(row(again, there)).to_be_visible()
    again.get_by_label("Provider").select_option("")
    expect(again.locator(".job")).to_have_count(2)


def test_many_finished_jobs_never_hide_an_active_one(site: Site, visit: Callable[..., Watched]) -> None:
    oldest, _ = site.running()
    for _ in range(130):
        site.fake.add(status="succeeded")
    site.sync()
    page = visit(PAGE).page
    expect(row(page, oldest)).to_be_visible()
    finished = page.get_by_role("list", name="Finished jobs").get_by_role("listitem")
    expect(finished).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(finished).to_have_count(130)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_provider_that_does_not_answer_is_told_of(site: Site, visit: Callable[..., Watched]) -> None:
    id, _ = site.running()
    page = visit(PAGE).page
    expect(row(page, id)).to_be_visible()
    site.fake.fail("/v1/", 503)
    for _ in range(5):
        site.refresh()
    expect(page.locator(".degraded")).to_contain_text("replicate does not answer", timeout=5000)
    expect(row(page, id).locator(".doubt")).to_be_visible()
    expect(row(page, id).locator(".state")).to_have_text("running")
    check_axe(page)


def test_logs_and_names_are_never_markup_and_never_steer(site: Site, visit: Callable[..., Watched]) -> None:
    lines = [SCRIPT, "<script>window.executed='yes'</script>", ESCAPES, "10%|#\r20%|##\r30%|###", "the end"]
    script = f"import sys\nsys.stdout.write({chr(10).join(lines)!r} + chr(10))\nsys.exit(1)"
    id = site.submit("local", config_name=SCRIPT, command=python(script), metadata={"note": SCRIPT})["job_id"]
    site.until(id, "failed")
    bad = site.submit(config_name="bad", inputs={"prompt": SCRIPT})
    site.fake.set(bad["external_id"], status="failed", logs=f"{SCRIPT}\n", error=SCRIPT, output="javascript:window.executed='yes'")
    site.sync()
    watched = visit(f"{PAGE}&job={id}")
    page = watched.page
    text = page.locator(".log pre")
    expect(text).to_contain_text("the end")
    shown = text.inner_text()
    assert SCRIPT in shown
    assert "<script>window.executed='yes'</script>" in shown
    assert "red a link home forwards" in re.sub(" +", " ", shown)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    watched.keep("jobs-hostile")
    expect(row(page, id)).to_contain_text(SCRIPT)
    expect(row(page, bad["job_id"])).to_contain_text(SCRIPT)
    row(page, bad["job_id"]).get_by_role("button", name="bad", exact=True).click()
    expect(text).to_contain_text(SCRIPT)
    page.wait_for_timeout(300)
    assert page.locator("img, iframe, .jobs-page script, a[href^=javascript]").count() == 0
    assert page.evaluate("window.executed") is None


def test_a_link_to_a_job_opens_it_and_escape_closes_it(site: Site, visit: Callable[..., Watched]) -> None:
    id = site.submit("local", config_name="here", command=["echo", "hello"])["job_id"]
    site.until(id, "completed")
    page = visit(f"{PAGE}&job={id}").page
    expect(page.locator(".job-sheet h2")).to_have_text("here")
    expect(page.locator(".job-sheet h2")).to_be_focused()
    expect(page.locator(".log pre")).to_have_text("hello\n")
    expect(page.locator(".command")).to_have_text("echo hello")
    page.keyboard.press("Escape")
    expect(page.locator(".job-sheet")).to_have_count(0)
    assert "job" not in view(page)
    expect(row(page, id).get_by_role("button", name="here", exact=True)).to_be_focused()


def test_a_long_log_keeps_its_end_and_follows_only_who_wants_it(site: Site, visit: Callable[..., Watched]) -> None:
    go = site.server.folder / "go"
    script = f"""
import os, time
print(*(f"line {{n}}" for n in range(24_000)), sep="\\n", flush=True)
while not os.path.exists({str(go)!r}): time.sleep(0.05)
print("the end")
"""
    id = site.submit("local", command=python(script))["job_id"]
    page = visit(f"{PAGE}&job={id}").page
    log = page.get_by_role("region", name=re.compile("^Log of"))
    expect(log).to_contain_text("line 23999")
    expect(page.locator(".log .bar")).to_contain_text(re.compile("24,000 lines · live · the last (19|20),000 lines shown"))
    assert log.evaluate("(box) => box.scrollTop + box.clientHeight > box.scrollHeight - 30")
    log.evaluate("(box) => box.scrollTo(0, 100)")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    go.touch()
    expect(log).to_contain_text("the end")
    assert log.evaluate("(box) => box.scrollTop") < 1000
    page.get_by_role("button", name="Follow").click()
    assert log.evaluate("(box) => box.scrollTop + box.clientHeight > box.scrollHeight - 30")
