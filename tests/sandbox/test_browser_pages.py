"""Every page of the dashboard in a real Chromium, at two widths, in light and dark."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.sandbox.test_browser import watched
from tests.web.chromium import chromium
from tests.web.page_checks import (
    SIZES,
    faults_by_keyboard,
    faults_in_colours,
    faults_of,
    faults_on_screen,
)

from coffrify_webhooks_sandbox import Sandbox

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
LONG = "A_name_that_is_longer_than_any_screen_of_a_phone_would_like_it_to_be_" * 2


def answers(_environ: Any, start: Any) -> list[bytes]:
    start("500 Oops", [("Content-Type", "application/json"), ("X-Long", "x" * 200)])
    return [b'{"error": {"code": "failed", "numbers": [1, true, null]}}']


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def fill(sandbox: Sandbox) -> list[str]:
    """Let something of each kind happen; return every page's path."""
    service = sandbox._service
    endpoint = sandbox.serve(answers)
    sandbox._call(lambda: service.endpoints.update(endpoint.id, {"name": LONG}))
    sandbox.trigger("transfer.created", manner="wrong-content-type")
    sandbox.trigger("api_key.suspicious_usage", count=4)
    sandbox.run_out()
    sandbox._call(lambda: service.endpoints.update(endpoint.id, {"is_active": True}))
    [event] = sandbox.trigger("saml.login_failed")
    sandbox.settle()
    delivery = sandbox.deliveries()[0]
    lists = ("/", "/events", "/deliveries", "/deliveries?q=x&live=off", "/endpoints")
    single = (f"/events/{event.id}", f"/deliveries/{delivery.id}", f"/endpoints/{endpoint.id}")
    others = (
        "/endpoints/new",
        "/dead-letters",
        "/catalog",
        "/trigger",
        "/trigger/transfer.created",
    )
    refused = f"/doctor?delivery={delivery.id}"
    edited = f"/trigger/{event.type}?event={event.id}"
    return [*lists, *single, *others, "/signatures", "/doctor", refused, edited, "/nothing"]


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")


def test_every_page_fits_any_screen_and_is_legible_and_labelled(
    browser: Browser, coffrify_sandbox: Sandbox
) -> None:
    """No scrolling sideways, no broken word, four sizes of text, contrast, targets, headings."""
    paths = fill(coffrify_sandbox)
    context = browser.new_context(base_url=coffrify_sandbox.url, reduced_motion="reduce")
    page = context.new_page()
    sizes: set[str] = set()
    for path in paths:
        page.goto(path)
        unfold(page)
        for width in (390, 1280):
            assert faults_on_screen(page, width) == [], f"{path} at {width}"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert faults_in_colours(page) == [], f"{path} in {scheme}"
        assert faults_of(page) == [], path
        sizes |= set(page.evaluate(SIZES))
    assert len(sizes) <= 4, sizes
    context.close()


def test_tab_reaches_every_control_of_every_page_and_shows_where_it_is(
    browser: Browser, coffrify_sandbox: Sandbox
) -> None:
    alike = ("/catalog", "/endpoints/new", "/trigger", "/deliveries?q=x&live=off")
    paths = [each for each in fill(coffrify_sandbox) if each not in alike]
    context = browser.new_context(base_url=coffrify_sandbox.url, reduced_motion="reduce")
    page = context.new_page()
    for path in paths:
        page.goto(path)
        assert faults_by_keyboard(page) == [], path
    context.close()


def test_a_list_is_searched_and_replayed_without_any_javascript(
    browser: Browser, coffrify_sandbox: Sandbox
) -> None:
    """Search, choose, replay; nothing is shown that needs a script."""
    coffrify_sandbox.serve(answers)
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    with watched(browser, coffrify_sandbox, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/deliveries")
        expect(page.get_by_role("link", name="Pause")).to_be_hidden()
        page.get_by_label("Type").fill("transfer.*")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_label("Select transfer.created").check()
        page.get_by_role("button", name="Replay selected").click()
        expect(page.get_by_text("Replayed deliveries: 1.")).to_be_visible()
        page.get_by_role("link", name="transfer.created").first.click()
        assert page.locator("[data-copy]").count() == 3
        assert [each.is_visible() for each in page.locator("[data-copy]").all()] == [False] * 3


def test_a_live_list_keeps_what_is_chosen_and_pauses(
    browser: Browser, coffrify_sandbox: Sandbox
) -> None:
    """With the keyboard: an event that arrives is shown, unless the list is paused."""
    coffrify_sandbox.serve(answers)
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    with watched(browser, coffrify_sandbox) as context:
        page = context.new_page()
        page.goto("/deliveries")
        box = page.get_by_role("checkbox").first
        box.focus()
        page.keyboard.press("Space")
        chosen = box.get_attribute("id")
        coffrify_sandbox.trigger("transfer.created")
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator(f"#{chosen}")).to_be_checked()
        page.get_by_role("link", name="Pause").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Resume")).to_be_visible()
        before = page.locator("#clock").get_attribute("data-now") or ""
        coffrify_sandbox.trigger("ping")
        coffrify_sandbox.skip(7200)
        expect(page.locator("#clock")).not_to_have_attribute("data-now", before)
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("tbody .when time").first).to_have_text("2 h ago")


def test_json_is_copied_as_it_is_shown(browser: Browser, coffrify_sandbox: Sandbox) -> None:
    [event] = coffrify_sandbox.trigger("ping")
    with watched(
        browser, coffrify_sandbox, permissions=["clipboard-read", "clipboard-write"]
    ) as context:
        page = context.new_page()
        page.goto(f"/events/{event.id}")
        page.get_by_role("button", name="Copy the event as JSON").click()
        expect(page.locator("#copied")).to_have_text("Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#event-json").inner_text()
