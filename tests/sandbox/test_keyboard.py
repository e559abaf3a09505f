"""Every action of the dashboard, by the keyboard alone and without JavaScript."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.sandbox.test_browser import watched
from tests.sandbox.test_browser_pages import answers
from tests.web.chromium import chromium
from tests.web.page_checks import reach

from coffrify_webhooks_sandbox import Sandbox

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


class Hands:
    """Somebody at the keyboard."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, name: str, told: str, role: Any = "button") -> None:
        """Press a button, or follow a link, and wait until the page says what was done."""
        self.use(self.page.get_by_role(role, name=name, exact=True).first, "Enter")
        expect(self.page.get_by_text(told).first).to_be_visible()

    def use(self, place: Locator, key: str) -> None:
        reach(self.page, place)
        self.page.keyboard.press(key)

    def type(self, label: str, text: str) -> None:
        reach(self.page, self.page.get_by_label(label, exact=True))
        self.page.keyboard.type(text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def hands(browser: Browser, coffrify_sandbox: Sandbox) -> Iterator[Hands]:
    with watched(browser, coffrify_sandbox, java_script_enabled=False) as context:
        yield Hands(context.new_page())


def test_the_keyboard_alone_does_all_with_an_endpoint(
    hands: Hands, coffrify_sandbox: Sandbox
) -> None:
    """Disable, enable, test, misbehave, show, rotate, save, delete."""
    endpoint = coffrify_sandbox.serve(answers)
    page = hands.page
    page.goto(f"/endpoints/{endpoint.id}")
    hands.press("Disable", "The endpoint is disabled.")
    hands.press("Enable", "The endpoint is enabled.")
    hands.press("Send a test event", "A test event is being sent.")
    hands.press("out-of-order", "as a faulty sender would send it")
    hands.press("Show secret", "Secret")
    expect(page.get_by_label("The endpoint's secret")).to_have_value(endpoint.secret)
    page.goto(f"/endpoints/{endpoint.id}")
    hands.press("Rotate secret", "The secret was rotated.")
    hands.use(page.get_by_label("Every event"), "ArrowDown")
    hands.use(page.get_by_label("ping", exact=True), "Space")
    hands.press("Save", "The changes were saved.")
    assert coffrify_sandbox.endpoint(endpoint).events == ("ping",)
    hands.use(page.get_by_text("Delete this endpoint"), "Enter")
    reach(page, page.locator("#delete"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("The endpoint was deleted.")).to_be_visible()


def test_the_keyboard_alone_does_all_with_deliveries(
    hands: Hands, coffrify_sandbox: Sandbox
) -> None:
    """Retry, replay, edit, resend, choose, search, and replay what was found."""
    coffrify_sandbox.serve(answers)
    [event] = coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    page = hands.page
    page.goto(f"/deliveries/{coffrify_sandbox.deliveries(event)[0].id}")
    hands.press("Retry", "queued again")
    hands.press("Replay", "this new delivery sends the same event")
    hands.press("Edit and resend", "Number of events", "link")
    hands.press("Edit as JSON", "Edit as form")
    hands.press("Edit as form", "Edit as JSON")
    hands.press("New random data", "Edit as JSON")
    hands.press("Trigger", "Triggered events: 1.")
    page.goto(f"/events/{event.id}")
    hands.press("Replay to each endpoint", "Replayed")
    coffrify_sandbox.settle()
    page.goto("/deliveries?live=off")
    hands.use(page.get_by_role("checkbox").first, "Space")
    hands.press("Replay selected", "Replayed deliveries: 1.")
    hands.type("Type", "ping")
    page.keyboard.press("Enter")
    hands.press("Replay all found", "Replayed deliveries:")


def test_the_keyboard_alone_replays_dead_letters(hands: Hands, coffrify_sandbox: Sandbox) -> None:
    """Once time was advanced so far that there are some."""
    coffrify_sandbox.serve(answers)
    coffrify_sandbox.trigger("ping", count=2)
    coffrify_sandbox.settle()
    hands.page.goto("/catalog")
    hands.press("Advance time by 72 h", "Time")
    coffrify_sandbox.run_out()
    hands.page.goto("/dead-letters")
    hands.press("Replay ping", "Replayed dead letters: 1.")
    hands.press("Replay all", "Replayed dead letters: 1.")


def test_the_keyboard_alone_signs_and_asks_the_doctor(hands: Hands) -> None:
    page = hands.page
    page.goto("/signatures")
    hands.type("Secret", "whsec_" + "ab" * 32)
    hands.press("Sign", "HMAC-SHA256 of these bytes")
    hands.press("Take this request to the doctor", "Why was a request refused?")
    hands.type("Secret", "whsec_" + "cd" * 32)
    hands.press("Examine", "Refused")
