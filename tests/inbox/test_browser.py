"""The inbox in a real Chromium: by keyboard, without JavaScript, at any width, in any colours."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.cli.stored_events import SECRET
from tests.inbox.visitor import Shop
from tests.sandbox.chromium import chromium
from tests.sandbox.contrast import FAINT

from coffrify_webhooks import sign
from coffrify_webhooks.inbox import inbox_app
from coffrify_webhooks_sandbox.background import serve_in_thread

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

UNLABELLED = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
  .filter((each) => each.type !== "hidden" && !(each.labels?.length || each.textContent.trim()
    || each.ariaLabel || each.title)).map((each) => each.outerHTML)"""
SMALL = """() => [...document.querySelectorAll("a, button, input, select")]
  .filter((each) => each.checkVisibility() && !each.closest("p, li, h1, .quiet, .skip, .pick"))
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24).map(([text]) => text)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def opened(browser: Browser, shop: Shop, **options: Any) -> Iterator[Page]:
    """Open a page on which nothing may go wrong, and from which nobody else may be asked."""
    inbox = inbox_app(shop.receiver, authorize=lambda _request: True, bodies=lambda _request: True)
    complaints: list[str] = []
    asked: set[str] = set()
    with serve_in_thread(inbox) as port:
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}", **options)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
        context.on("console", lambda line: complaints.append(line.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        try:
            yield context.new_page()
        finally:
            context.close()
    assert complaints == []
    assert asked <= {f"127.0.0.1:{port}"}


def fill(shop: Shop) -> list[str]:
    """Store an event of each kind; return every page's path."""
    long = "evt_" + "x" * 200
    keys = [shop.stored.put("evt_done"), shop.stored.put(long, "dead", type_="t." + "y" * 150)]
    keys += [shop.stored.put("evt_1", "failed"), shop.stored.put("evt_done", "conflict")]
    for unfit in ("transfer.created", "z" * 150):
        body = f'{{"id": "evt_{unfit}", "type": "{unfit}", "data": {{"files": 5}}}}'.encode()
        shop.receiver.receive(body, sign(body, SECRET))
    shop.seen.clear()
    return ["/", "/health", "/handlers", "/refused", "/drift", *(f"/event/{k}" for k in keys)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_legible_labelled_and_fits_its_screen(
    browser: Browser, width: int, scheme: str
) -> None:
    """Contrast, names of controls, their size, one heading, and no scrolling sideways."""
    shop = Shop()
    paths = fill(shop)
    size = {"width": width, "height": 800}
    with opened(browser, shop, viewport=size, color_scheme=scheme) as page:
        for path in paths:
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate(FAINT) == [], path
            assert page.evaluate(UNLABELLED) == [], path
            assert page.evaluate(SMALL) == [], path
            assert page.locator("h1").count() == 1, path
            ids = page.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
            assert len(ids) == len(set(ids)), path


def test_a_selection_is_replayed_without_any_javascript(browser: Browser) -> None:
    """Search, choose, confirm, see the results; and forget likewise."""
    shop = Shop()
    fill(shop)
    with opened(browser, shop, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_label("Status").select_option("failed")
        page.get_by_role("button", name="Search").click()
        page.get_by_label("Choose evt_1").check()
        page.get_by_role("button", name="Replay the chosen").click()
        page.get_by_role("button", name="Yes, replay").click()
        expect(page.get_by_role("status")).to_contain_text("handled")
        assert shop.seen == ["evt_1"]
        page.get_by_role("link", name="evt_1").click()
        page.get_by_role("button", name="Forget").click()
        page.get_by_role("button", name="Yes, forget").click()
        expect(page.get_by_role("status")).to_contain_text("forgotten")


def test_the_keyboard_alone_replays_an_event(browser: Browser) -> None:
    """From the top of the list to the result, with Tab, Space and Enter."""
    shop = Shop()
    shop.stored.put("evt_1", "failed")
    with opened(browser, shop) as page:
        page.goto("/?live=off")
        press = page.keyboard.press
        press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        press("Enter")
        box = page.get_by_label("Choose evt_1")
        for _ in range(20):
            if box.evaluate("each => each === document.activeElement"):
                break
            press("Tab")
        press("Space")
        expect(box).to_be_checked()
        press("Tab")
        expect(page.get_by_role("link", name="evt_1")).to_be_focused()
        press("Tab")
        press("Enter")
        expect(page.get_by_role("heading", name="Replay 1 event?")).to_be_visible()
        page.get_by_role("button", name="Yes, replay").focus()
        press("Enter")
        expect(page.get_by_role("status")).to_contain_text("handled")
        assert shop.seen == ["evt_1"]


def test_the_open_list_is_live_and_keeps_what_was_chosen(browser: Browser) -> None:
    """An event that arrives is shown without a reload."""
    shop = Shop()
    shop.stored.put("evt_1", "failed")
    with opened(browser, shop) as page:
        page.goto("/")
        page.get_by_label("Choose evt_1").check()
        shop.stored.put("evt_2")
        expect(page.get_by_role("link", name="evt_2")).to_be_visible()
        expect(page.get_by_label("Choose evt_1")).to_be_checked()
        assert re.search(r"/$", page.url)
