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
from tests.web.chromium import chromium
from tests.web.page_checks import (
    SIZES,
    faults_by_keyboard,
    faults_in_colours,
    faults_of,
    faults_on_screen,
    reach,
)

from coffrify_webhooks import sign
from coffrify_webhooks.inbox import inbox_app
from coffrify_webhooks.stores.refused import refused_of
from coffrify_webhooks_sandbox.background import serve_in_thread

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


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
    shop.receiver.captures.most = 5
    shop.receiver.receive(body, {"webhook-id": "w" * 300, "x-long": "v" * 300})
    refused = shop.receiver.store.find(refused_of(shop.receiver.name))
    keys += [each.key for each in refused]
    shop.seen.clear()
    lists = ["/", "/?q=nothing", "/?live=off", "/health", "/handlers", "/refused", "/drift"]
    return [*lists, *(f"/event/{each}" for each in keys)]


def test_every_page_fits_any_screen_and_is_legible_and_labelled(browser: Browser) -> None:
    """No scrolling sideways, no broken word, four sizes of text, contrast, targets, headings."""
    shop = Shop()
    paths = fill(shop)
    sizes: set[str] = set()
    with opened(browser, shop, reduced_motion="reduce") as page:

        def judge(where: str) -> None:
            for width in (390, 1280):
                assert faults_on_screen(page, width) == [], f"{where} at {width}"
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                assert faults_in_colours(page) == [], f"{where} in {scheme}"
            assert faults_of(page) == [], where
            sizes.update(page.evaluate(SIZES))

        for path in paths:
            page.goto(path)
            judge(path)
        page.goto("/")
        for box in page.get_by_role("checkbox").all():
            box.check()
        page.get_by_role("button", name="Replay selected").click()
        page.get_by_role("heading", name="Replay 5 events?").wait_for()
        judge("confirmation")
        page.get_by_role("button", name="Yes, replay").click()
        page.get_by_role("heading", name="Replayed").wait_for()
        judge("results")
    assert len(sizes) <= 4, sizes


def test_tab_reaches_every_control_of_every_page_and_shows_where_it_is(browser: Browser) -> None:
    shop = Shop()
    paths = fill(shop)
    with opened(browser, shop) as page:
        for path in paths:
            page.goto(path)
            assert faults_by_keyboard(page) == [], path


def test_the_keyboard_alone_performs_every_action_without_javascript(browser: Browser) -> None:
    """Skip to the content, search, choose, replay, forget, look around: Tab, Space and Enter."""
    shop = Shop()
    fill(shop)
    with opened(browser, shop, java_script_enabled=False) as page:
        press = page.keyboard.press

        def push(name: str, role: Any = "button") -> None:
            reach(page, page.get_by_role(role, name=name, exact=True).first)
            press("Enter")

        page.goto("/")
        push("Skip to content", "link")
        reach(page, page.get_by_label("Status"))
        page.keyboard.type("failed")
        push("Search")
        expect(page.get_by_role("checkbox")).to_have_count(1)
        expect(page.get_by_text("Updated every 5 seconds.")).to_be_hidden()
        reach(page, page.get_by_label("Select evt_1"))
        press("Space")
        push("Replay selected")
        expect(page.get_by_role("heading", name="Replay 1 event?")).to_be_visible()
        push("Yes, replay")
        expect(page.get_by_role("status")).to_contain_text("handled")
        assert shop.seen == ["evt_1"]
        push("evt_1", "link")
        push("Forget")
        push("Yes, forget")
        expect(page.get_by_role("status")).to_contain_text("forgotten")
        push("Refused requests", "link")
        reach(page, page.get_by_role("link", name="missing_signature"))
        press("Enter")
        expect(page.get_by_role("heading", name="What the doctor says")).to_be_visible()


def test_the_open_list_is_live_and_keeps_what_was_chosen(browser: Browser) -> None:
    """An event that arrives is shown without a reload."""
    shop = Shop()
    shop.stored.put("evt_1", "failed")
    with opened(browser, shop) as page:
        page.goto("/")
        page.get_by_label("Select evt_1").check()
        shop.stored.put("evt_2")
        expect(page.get_by_role("link", name="evt_2")).to_be_visible()
        expect(page.get_by_label("Select evt_1")).to_be_checked()
        assert re.search(r"/$", page.url)
        reach(page, page.get_by_role("link", name="Pause"))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Paused.")).to_be_visible()
        expect(page.locator("#rows")).not_to_have_attribute("hx-get", re.compile("rows"))
