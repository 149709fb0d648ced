"""The page's Files: pictures as they are, everything else to be saved, live, in both themes and on a phone."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server, Trainer, Watched
from tests.browser.test_page import PHONE, SCRIPT, check_axe, view

pytestmark = pytest.mark.browser


def png(colour: tuple[int, int, int]) -> bytes:
    """A picture of 8 × 8 pixels, all but one of this colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(colour) * 7 + bytes(3) for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def posted(server: Server, name: str, **kwargs: Any) -> None:
    """What trackio's client calls."""
    assert httpx.post(f"{server.url}api/{name}", json={"kwargs": kwargs}).status_code == 200


def log_picture(server: Server, key: str, caption: str, content: bytes, name: str) -> None:
    """A picture of a run, as trackio's client sends it."""
    run, step = "calm-otter", 3
    value = {"_type": "trackio.image", "file_path": f"digits/{run}/{step}/{name}", "caption": caption}
    posted(server, "bulk_log", logs=[{"project": "digits", "run": run, "step": step, "metrics": {key: value, "loss": 0.5}}])
    (word,) = httpx.post(f"{server.url}api/upload", files={"files": (name, content)}).json()["paths"]
    posted(
        server,
        "bulk_upload_media",
        uploads=[{"project": "digits", "run": run, "step": step, "uploaded_file": {"path": word, "orig_name": name}}],
    )


def keep_some(server: Server, trainer: Trainer, tmp_path: Path) -> None:
    """Pictures and values of a trackio run, and files of one of ours."""
    log_picture(server, "samples/grey", SCRIPT, png((150, 150, 150)), "7f.png")
    log_picture(server, "samples/red", "all red", png((200, 60, 60)), "8f.png")
    metrics = {"weights": {"_type": "trackio.histogram", "bins": [0, 1], "values": [3]}, "note": SCRIPT}
    posted(server, "bulk_log", logs=[{"project": "digits", "run": "calm-otter", "step": 4, "metrics": metrics}])
    (tmp_path / "net.yaml").write_text("width: 32")
    trainer.start(name="brisk-heron")
    trainer.do("save", path=str(tmp_path / "net.yaml"))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_files_are_shown_and_accessible(
    server: Server, trainer: Trainer, visit: Callable[..., Watched], tmp_path: Path, theme: str
) -> None:
    keep_some(server, trainer, tmp_path)
    watched = visit("#project=digits", dark=theme == "dark")
    page = watched.page
    page.get_by_role("button", name="Files", exact=True).click()
    rows = page.locator(".file")
    expect(rows).to_have_count(5)
    expect(page.get_by_role("img", name="all red")).to_be_visible()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.file img')].every((image) => image.complete && image.naturalWidth === 8)"
    )
    expect(rows.filter(has_text="samples/grey")).to_contain_text(SCRIPT)
    assert page.evaluate("window.executed") is None
    assert view(page)["page"] == "files"
    check_axe(page)
    watched.keep(f"files-{theme}")
    with page.expect_download() as download:
        page.get_by_role("link", name="net.yaml").click()
    assert download.value.suggested_filename == "net.yaml"
    assert Path(download.value.path()).read_text() == "width: 32"


def test_files_are_of_one_run_are_searched_and_come_by_themselves(
    server: Server, trainer: Trainer, visit: Callable[..., Watched], tmp_path: Path
) -> None:
    keep_some(server, trainer, tmp_path)
    page = visit("#project=digits&page=files").page
    rows = page.locator(".file")
    expect(rows).to_have_count(5)
    page.get_by_role("combobox", name="Run", exact=True).select_option(label="brisk-heron")
    expect(rows).to_have_count(1)
    trainer.do("save", path=str(tmp_path / "net.yaml"), name="another.yaml")
    expect(rows).to_have_count(2, timeout=5000)
    page.get_by_role("combobox", name="Run", exact=True).select_option(label="all")
    page.keyboard.press("/")
    page.keyboard.type("ALL RED")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_text("No file is like that.")).to_be_visible()


def test_files_are_usable_on_a_phone(server: Server, trainer: Trainer, visit: Callable[..., Watched], tmp_path: Path) -> None:
    keep_some(server, trainer, tmp_path)
    watched = visit("#project=digits", size=PHONE)
    page = watched.page
    page.get_by_role("button", name="Files").click()
    expect(page.locator(".file")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    check_axe(page)
    watched.keep("files-phone")
