"""A server that needs a token, before a browser that has none yet."""

import re

from playwright.sync_api import Browser, expect

from tasuki.server.auth.principal import Scope
from tasuki.server.auth.tokens import open_tokens
from tests.browser.conftest import Server, Trainer


def test_the_page_asks_for_a_token_once_and_is_live_with_it(server: Server, trainer: Trainer, browser: Browser) -> None:
    with open_tokens(server.folder) as tokens:
        text = tokens.create(Scope.READ, "digits")
    trainer.start()
    trainer.log(0, 10, train__loss=1.5)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.url}#project=digits")
        field = page.get_by_label("Token")
        field.fill("tsk_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("mistyped")
        field.fill(text)
        page.get_by_role("button", name="Log in").click()
        place = page.locator('[data-metric="train/loss"] .canvas')
        expect(place).to_have_attribute("data-drawn", "9")
        trainer.log(10, train__loss=1.0)  # an event stream brings it
        expect(place).to_have_attribute("data-drawn", "10")
        assert page.evaluate("document.cookie") == ""
        assert text not in page.url
        assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").find("tsk_") == -1
        (cookie,) = context.cookies()
        assert re.fullmatch(r"tasuki-[0-9a-f]{8}", cookie["name"])
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.reload()
        expect(place).to_have_attribute("data-drawn", "10")
