"""The page itself: what it shows, and that everybody can use it."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, Trainer, Watched

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}
SCRIPT = "<img src=x onerror=\"window.executed='yes'\">"


def wait_for_charts(page: Page) -> None:
    """Until every chart in sight is drawn."""
    page.wait_for_selector(".chart")
    page.wait_for_function("""() => {
        const bottom = document.querySelector('.scroll').getBoundingClientRect().bottom;
        const charts = [...document.querySelectorAll('.chart')].filter((chart) => chart.getBoundingClientRect().top < bottom);
        return charts.every((chart) => chart.querySelector('.canvas').dataset.drawn);
    }""")


def check_axe(page: Page) -> None:
    """No violation of any rule of axe-core."""
    page.wait_for_timeout(200)  # a colour on its way to another one is no fault
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def view(page: Page) -> dict[str, str]:
    """The view in the URL."""
    return {name: words[0] for name, words in parse_qs(urlsplit(page.url).fragment).items()}


def log_some(trainer: Trainer, name: str = "calm-otter", **more: object) -> None:
    """A finished run with a bit of everything."""
    trainer.start(name=name, **more)
    for step in range(0, 100, 10):
        trainer.log(step, step + 10, train__loss=2 / (step + 1), lr=0.01)
        trainer.log(step, val__acc=step / 100)
    trainer.do("finish")


def test_runs_of_one_name_are_told_apart_in_the_charts(train: Callable[[], Trainer], visit: Callable[..., Watched]) -> None:
    trainer = train()
    for name in ("calm-otter", "calm-otter", "brisk-heron"):
        log_some(trainer, name)
    watched = visit("#project=digits")
    page = watched.page
    wait_for_charts(page)
    labels = page.locator(".legend .name").all_inner_texts()
    assert sorted(label.partition(" · ")[0] for label in labels) == ["brisk-heron", "calm-otter", "calm-otter"]
    ids = {label.partition(" · ")[2] for label in labels}
    assert len(ids) == 3
    said = page.locator(".chart .plot").first.get_attribute("aria-label") or ""
    assert all(label in said for label in labels)
    watched.keep("namesakes")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_is_accessible(train: Callable[[], Trainer], visit: Callable[..., Watched], theme: str) -> None:
    trainer = train()
    for name in ("calm-otter", "brisk-heron", SCRIPT):
        log_some(trainer, name)
    trainer.start(name="dull-moth", tags=["base"])
    trainer.log(0, 50, train__loss=1.5)
    trainer.log(50, 60, train__loss="nan")
    trainer.do("alert", title="the loss is NaN", level="error", step=50)
    trainer.do("finish", status="failed", reason="diverged")
    watched = visit("#project=digits", dark=theme == "dark")
    page = watched.page
    wait_for_charts(page)
    check_axe(page)
    watched.keep(f"desktop-{theme}")
    for button in page.get_by_role("button", name=re.compile("^table of")).all():
        button.click()
    page.get_by_text("Columns").click()
    page.get_by_role("button", name="Log y").click()
    check_axe(page)
    watched.keep(f"tables-{theme}")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check_axe(page)
    watched.keep(f"help-{theme}")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_empty_folder_is_accessible(visit: Callable[..., Watched], theme: str) -> None:
    page = visit(dark=theme == "dark").page
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    check_axe(page)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_phone_has_cards_and_tabs(trainer: Trainer, visit: Callable[..., Watched], theme: str) -> None:
    log_some(trainer, "a-run-with-a-very-long-name-that-no-phone-has-room-for")
    log_some(trainer)
    watched = visit("#project=digits", dark=theme == "dark", size=PHONE)
    page = watched.page
    wait_for_charts(page)
    check_axe(page)
    watched.keep(f"phone-charts-{theme}")
    page.get_by_role("navigation").get_by_role("button", name="Runs").click()
    expect(page.get_by_role("row").filter(has_text="calm-otter")).to_be_visible()
    expect(page.locator(".chart")).to_have_count(0)
    check_axe(page)
    watched.keep(f"phone-runs-{theme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert view(page)["tab"] == "runs"


@pytest.mark.timeout(300)  # making the runs takes most of it
def test_list_of_5000_runs_has_few_rows_and_scrolls(server: Server, trainer: Trainer, visit: Callable[..., Watched]) -> None:
    server.stop()  # two processors are too few to project at the same time
    trainer.do("many", project="vision", runs=5000)
    server.start()
    watched = visit("#project=vision")
    page = watched.page
    expect(page.get_by_role("heading", name="5,000 runs")).to_be_visible(timeout=60_000)
    expect(page.locator("#sync")).to_have_text("all 5,000 points here", timeout=30_000)
    rows = page.locator(".row:not(.head)")
    expect(rows.filter(has_text="run-04999")).to_be_visible()
    assert rows.count() < 60
    watched.keep("many-runs")
    table = page.get_by_role("grid")
    table.hover()
    page.mouse.wheel(0, 2000 * 28)
    expect(rows.filter(has_text="run-02990")).to_be_visible()
    table.evaluate("(table) => table.scrollTo(0, table.scrollHeight)")
    last = rows.filter(has_text="run-00000")
    expect(last).to_be_visible()
    assert rows.count() < 60
    expect(last.get_by_role("gridcell", name="1", exact=True)).to_be_visible()
    assert last.get_attribute("aria-rowindex") == "5001"
    assert table.get_attribute("aria-rowcount") == "5001"


def test_list_is_filtered_and_sorted(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.do("many", project="vision", runs=9)
    page = visit("#project=vision").page
    rows = page.locator(".row:not(.head)")
    expect(rows).to_have_count(9)
    page.keyboard.press("/")
    page.keyboard.type("tag:third")
    expect(page.get_by_role("heading", name="3 of 9 runs")).to_be_visible()
    page.get_by_role("searchbox").fill("val/loss<0.15 -run-00008")
    page.wait_for_function("() => location.hash.includes('q=val/loss')")
    assert view(page)["q"] == "val/loss<0.15 -run-00008"
    expect(page.get_by_role("heading", name="2 of 9 runs")).to_be_visible()
    page.get_by_role("searchbox").fill("status:failed")
    expect(page.get_by_text("No run matches")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(rows).to_have_count(9)
    expect(rows.first).to_contain_text("run-00008")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(rows.first).to_contain_text("run-00000")
    page.get_by_role("button", name="val/loss", exact=True).click()
    expect(rows.last).to_contain_text("run-00008")
    expect(page.get_by_role("columnheader", name="val/loss")).to_have_attribute("aria-sort", "descending")
    assert view(page)["sort"] == "-val/loss"


def test_zoom_asks_for_its_steps_and_is_in_the_url(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, 5000, train__loss=1.5)
    trainer.do("finish")
    watched = visit("#project=digits")
    page = watched.page
    wait_for_charts(page)
    footer = page.locator('[data-metric="train/loss"] footer')
    expect(footer).to_contain_text("5,000 points →")
    assert "min/max" in footer.inner_text()
    over = page.locator('[data-metric="train/loss"] .u-over')
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 60, steps=5)
    page.mouse.up()
    expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    first, last = (int(step) for step in view(page)["x"].split(".."))
    assert 900 <= first <= 1100
    assert 1400 <= last <= 1600
    expect(footer).to_contain_text(re.compile(r"^[45]\d\d points"))
    asked = parse_qs(urlsplit(watched.series_asked()[-1]).query)
    assert (asked["from_step"], asked["to_step"]) == ([str(first)], [str(last)])
    watched.keep("zoom")

    again = visit(f"#{urlsplit(page.url).fragment}")
    wait_for_charts(again.page)
    expect(again.page.get_by_label("From step")).to_have_value(str(first))
    assert all(f"from_step={first}&to_step={last}" in url for url in again.series_asked())

    over.dblclick()
    expect(footer).to_contain_text("5,000 points")
    assert "x" not in view(page)
    page.get_by_label("From step").fill("4000")
    page.get_by_label("From step").press("Enter")
    expect(footer).to_contain_text("1,000 points")
    page.keyboard.press("Tab")
    assert view(page)["x"] == "4000..4999"


def test_the_whole_view_is_in_the_url(train: Callable[[], Trainer], visit: Callable[..., Watched]) -> None:
    trainer = train()
    log_some(trainer, "first")
    log_some(trainer, "second")
    page = visit("#project=digits").page
    wait_for_charts(page)
    row = page.get_by_role("row").filter(has_text="first")
    row.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="log axis for train/loss").click()
    page.get_by_role("button", name=re.compile("^Theme")).click()
    page.get_by_role("button", name="val 1").click()
    page.get_by_role("searchbox").fill("s")
    page.wait_for_function("() => location.hash.includes('q=s')")
    found = view(page)
    assert found["log"] == "train/loss"
    assert found["theme"] == "light"
    assert set(found["folded"].split(",")) == {"system", "val"}

    again = visit(f"#{urlsplit(page.url).fragment}", dark=True).page
    wait_for_charts(again)
    assert view(again) == found
    expect(again.get_by_role("searchbox")).to_have_value("s")
    expect(again.get_by_role("row").filter(has_text="first").get_by_role("checkbox")).not_to_be_checked()
    expect(again.get_by_role("row").filter(has_text="second").get_by_role("checkbox")).to_be_checked()
    expect(again.get_by_role("button", name="log axis for train/loss")).to_have_attribute("aria-pressed", "true")
    expect(again.locator('[data-metric="val/acc"]')).to_have_count(0)
    assert again.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_text_of_runs_is_never_markup(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start(project=SCRIPT, name=SCRIPT, tags=[SCRIPT], notes=SCRIPT, group=SCRIPT)
    trainer.do("log", step=0, values={SCRIPT: 1, f"train/{SCRIPT}": 2})
    trainer.do("alert", title=SCRIPT, level="error")
    trainer.do("finish", status="failed", reason=SCRIPT)
    page = visit().page
    wait_for_charts(page)
    expect(page.locator(".row:not(.head)").filter(has_text=SCRIPT)).to_be_visible()
    for button in page.get_by_role("button", name=re.compile("^table of")).all():
        button.click()
    page.get_by_text("Columns").click()
    page.wait_for_timeout(500)
    assert page.locator("img").count() == 0
    assert page.evaluate("window.executed") is None


def test_nan_has_a_flag_in_the_chart_and_in_words(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    trainer.start()
    trainer.log(0, 50, loss=1.5)
    trainer.log(50, 100, loss="nan")
    trainer.log(100, 101, loss=1.5)
    watched = visit("#project=digits")
    page = watched.page
    wait_for_charts(page)
    chart = page.locator('[data-metric="loss"]')
    expect(chart.locator(".nan")).to_be_visible()
    expect(chart.locator(".nan")).to_contain_text("calm-otter: NaN at step 50")
    # The flag stands at the foot of the plot, where no line is.
    painted = """(canvas) => {
        const [width, height] = [canvas.width * 0.4, 14];
        const pixels = canvas.getContext('2d').getImageData(canvas.width * 0.4, canvas.height - 24 - height, width, height).data;
        let found = 0;
        for (let i = 0; i < pixels.length; i += 4) found += pixels[i + 2] - pixels[i] > 100 && pixels[i + 3] > 200;
        return found;
    }"""
    assert chart.locator("canvas").evaluate(painted) > 20
    watched.keep("nan")
    trainer.log(101, loss="inf")
    expect(page.get_by_role("row").filter(has_text="calm-otter")).to_contain_text("∞", timeout=5000)


def test_chart_says_in_words_what_it_shows(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    log_some(trainer)
    page = visit("#project=digits").page
    wait_for_charts(page)
    picture = page.get_by_role("img", name="Line chart of train/loss by step")
    expect(picture).to_have_attribute("aria-label", re.compile(r"calm-otter: last 0\.0219\d at step 99, min .* at 90, max 2 at 0"))
    page.get_by_role("button", name="table of train/loss").click()
    expect(picture).to_have_count(0)
    table = page.get_by_role("region", name="train/loss as a table")
    expect(table.get_by_role("row").filter(has_text="calm-otter")).to_contain_text("100")


def test_keys_work_and_can_be_switched_off(train: Callable[[], Trainer], visit: Callable[..., Watched]) -> None:
    trainer = train()
    log_some(trainer, "first")
    log_some(trainer, "second")
    page = visit("#project=digits").page
    wait_for_charts(page)
    first = page.get_by_role("row").filter(has_text="first")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("k")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("l")
    assert view(page)["log"] == "*"
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("lx?")
    expect(page.get_by_role("searchbox")).to_have_value("lx?")
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="Keys of one letter are on").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("l")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert view(page)["log"] == "*"
    # The table's own keys stay: they work only where it has the focus.
    page.get_by_role("grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(page.get_by_role("row").filter(has_text="second")).to_have_attribute("aria-selected", "false")


def test_page_is_small_and_comes_from_one_place(trainer: Trainer, visit: Callable[..., Watched]) -> None:
    log_some(trainer)
    watched = visit("#project=digits")
    wait_for_charts(watched.page)
    sizes = watched.page.evaluate(
        "performance.getEntries().filter((entry) => ['navigation', 'resource'].includes(entry.entryType)"
        " && !entry.name.includes('/api/')).map((entry) => [entry.name, entry.encodedBodySize])"
    )
    assert sum(size for _, size in sizes) <= 150_000
    assert len(sizes) > 20
    origin = f"http://{urlsplit(watched.page.url).netloc}/"
    assert [url for url in watched.asked if not url.startswith(origin)] == []
