"""The dashboard in a real Chromium: what is promised on the page can be seen working."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from tests.budgets import budget
from tests.screenshots.palette import shrink
from tests.web.chromium import chromium

from coffrify_webhooks import Event, Receiver, Router, Secret
from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.background import serve_in_thread
from coffrify_webhooks_sandbox.dashboard import time_form

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


class Shop:
    """A receiver of ours on loopback, which can be told to fail, or to have another secret."""

    def __init__(self) -> None:
        self.secret = ""
        self.failing = False
        self.seen: list[str] = []
        router = Router()
        router.on("*")(self.handle)
        self.receiver = Receiver(lambda: Secret(self.secret), router=router, store="memory:")

    def handle(self, event: Event) -> None:
        if self.failing:
            raise RuntimeError
        self.seen.append(event.type)

    def __call__(self, environ: Any, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        reply = self.receiver.receive(body, headers)
        start(f"{reply.status} {HTTPStatus(reply.status).phrase}", [*reply.headers.items()])
        return [reply.body]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that lets time pass answers when it has passed, on a loaded machine too."""
    monkeypatch.setattr(time_form, "_PATIENCE", 60.0)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def url(shop: Shop) -> Iterator[str]:
    with serve_in_thread(shop) as port:
        yield f"http://127.0.0.1:{port}/webhooks/coffrify"


@contextmanager
def watched(browser: Browser, sandbox: Sandbox, **options: Any) -> Iterator[BrowserContext]:
    """Open a window in which nothing may go wrong, and nothing may ask another host."""
    complaints: list[str] = []
    asked: set[str] = set()

    def heard(line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            complaints.append(line.text)

    context = browser.new_context(base_url=sandbox.url, **options)
    context.set_default_timeout(PATIENCE)
    context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    context.on("console", heard)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    try:
        yield context
        assert complaints == []
        assert asked <= {urlsplit(sandbox.url).netloc}
    finally:
        context.close()


@pytest.fixture
def window(browser: Browser, coffrify_sandbox: Sandbox) -> Iterator[BrowserContext]:
    with watched(browser, coffrify_sandbox) as context:
        yield context


def create(page: Page, url: str, name: str = "Shop") -> str:
    """Create an endpoint as a person does; returns its secret."""
    page.goto("/")
    page.get_by_role("link", name="Create an endpoint").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("URL").fill(url)
    page.get_by_role("button", name="Create the endpoint").click()
    return page.get_by_label("The endpoint's secret").input_value()


def test_the_page_s_promises(
    window: BrowserContext, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """Created, triggered, arrived live; failed until the dead letter; replayed to success."""
    page = window.new_page()
    shop.secret = create(page, url)
    assert shop.secret.startswith("whsec_")
    page.reload()
    expect(page.get_by_label("The endpoint's secret")).to_have_count(0)

    page.goto("/")
    page.evaluate("document.body.dataset.loaded = 'once'")
    other = window.new_page()
    other.goto("/catalog")
    other.get_by_role("link", name="Trigger transfer.created").click()
    other.get_by_label("transfer_title", exact=True).fill("From the form")
    other.get_by_role("button", name="Trigger", exact=True).click()
    expect(other.get_by_role("status").first).to_contain_text("Triggered events: 1.")
    row = page.get_by_role("row").filter(has_text="transfer.created")
    expect(row).to_contain_text("success")
    expect(row).to_contain_text("200")
    assert shop.seen == ["transfer.created"]

    shop.failing = True
    coffrify_sandbox.trigger("transfer.deleted")
    failed = page.get_by_role("row").filter(has_text="transfer.deleted")
    expect(failed).to_contain_text("retrying")
    assert page.evaluate("document.body.dataset.loaded") == "once"  # all of it without a reload
    failed.get_by_role("link", name="transfer.deleted").click()
    expect(page.locator("svg[role=img] circle.failed")).to_have_count(1)
    expect(page.locator("svg[role=img] rect.span")).to_have_count(10)
    expect(page.get_by_text("because the vendor's schedule is not published")).to_be_visible()
    expect(page.get_by_text("handler_failed")).to_be_visible()
    page.get_by_role("button", name="Advance time by 1 h").click()
    expect(page.locator(".timeline > li").nth(4)).to_be_visible()
    page.get_by_role("button", name="Advance time by 72 h").click()
    expect(page.locator("h1 .status")).to_have_text("dead letter")
    expect(page.locator(".timeline > li")).to_have_count(12)
    expect(page.get_by_text("all 12 attempts failed")).to_be_visible()

    shop.failing = False
    page.get_by_role("link", name=re.compile("Dead letters")).click()
    page.get_by_role("button", name="Replay transfer.deleted").click()
    expect(page.get_by_role("row").filter(has_text="transfer.deleted")).to_contain_text("success")
    assert shop.seen == ["transfer.created", "transfer.deleted"]
    new, old = coffrify_sandbox.deliveries()[:2]
    assert (new.event_id, new.status, old.status) == (old.event_id, "success", "dead_letter")


def test_a_delivery_s_page_is_live(
    window: BrowserContext, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """An open delivery follows what becomes of it; what was unfolded stays so."""
    shop.failing = True
    endpoint = coffrify_sandbox.create_endpoint(url)
    shop.secret = endpoint.secret
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    page = window.new_page()
    page.goto(f"/deliveries/{coffrify_sandbox.deliveries()[0].id}")
    expect(page.locator(".timeline > li")).to_have_count(1)
    coffrify_sandbox.skip(40)
    expect(page.locator(".timeline > li")).to_have_count(2)
    first = page.locator(".timeline > li").last.locator("details").first
    expect(first).to_have_attribute("open", "")
    page.get_by_role("button", name="Retry").focus()
    shop.failing = False
    coffrify_sandbox.run_out()
    expect(page.locator("h1 .status")).to_have_text("success")
    expect(first).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)


def test_an_endpoint_s_buttons(
    window: BrowserContext, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """Test, disable, enable, rotate, show, save and delete, each from its page."""
    page = window.new_page()
    shop.secret = create(page, url)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("row").filter(has_text="ping")).to_contain_text("success")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("The endpoint is disabled.")).to_be_focused()
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("The endpoint is enabled.")).to_be_focused()  # else it may come last
    page.get_by_role("button", name="Rotate secret").click()
    fresh = page.get_by_label("The endpoint's secret").input_value()
    assert fresh != shop.secret
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#copied")).not_to_be_empty()
    page.reload()
    page.get_by_role("button", name="Show secret").click()
    assert page.get_by_label("The endpoint's secret").input_value() == fresh
    page.get_by_label("Only these").check()
    page.get_by_label("transfer.created", exact=True).check()
    page.get_by_label("Name").fill("Renamed")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")
    [endpoint] = coffrify_sandbox._service.database.endpoints()
    assert endpoint.events == ("transfer.created",)
    page.get_by_text("Delete this endpoint").click()
    page.get_by_role("button", name="Delete Renamed").click()
    expect(page.get_by_text("The endpoint was deleted.")).to_be_visible()
    expect(page.get_by_text("There are no endpoints yet.")).to_be_visible()


def test_time_keeps_what_is_typed(window: BrowserContext, coffrify_sandbox: Sandbox) -> None:
    """Letting time pass leaves a form as it is typed, and a list as it was asked for."""
    page = window.new_page()
    page.goto("/trigger/transfer.created")
    page.get_by_label("transfer_title", exact=True).fill("Typed by hand")
    before = page.locator("#clock time").inner_text()
    page.get_by_role("button", name="Advance time by 24 h").click()
    expect(page.get_by_text("Time was advanced.")).to_be_focused()
    expect(page.locator("#clock time")).not_to_have_text(before)
    expect(page.get_by_label("transfer_title", exact=True)).to_have_value("Typed by hand")
    with page.expect_response("**/time"):  # whose notice would else replace the next one
        page.get_by_role("button", name="Advance time by 1 h").click()
    page.get_by_role("button", name="Trigger", exact=True).click()
    expect(page.get_by_text("Triggered events: 1.")).to_be_visible()
    page.goto("/deliveries?status=success")
    page.get_by_role("button", name="Advance time by 1 h").click()
    expect(page.get_by_text("Time was advanced.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/deliveries\?status=success$"))
    expect(page.get_by_label("Status")).to_have_value("success")


def test_every_press_counts(window: BrowserContext, coffrify_sandbox: Sandbox) -> None:
    """Pressed several times in a row, the button lets that much time pass."""
    clock = coffrify_sandbox._service.clock
    page = window.new_page()
    page.goto("/")
    before = clock.now()
    button = "document.querySelector('button[value=\"24\"]')"
    page.evaluate(f"for (let i = 0; i < 4; i++) {button}.click()")
    expect(page.locator("#clock")).to_have_attribute("data-now", str(before + 4 * 86_400))


def test_nothing_is_stale(
    window: BrowserContext, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """The number of dead letters, an endpoint's buttons, and every list follow by themselves."""
    endpoint = coffrify_sandbox.create_endpoint(url)
    pages = {
        path: window.new_page()
        for path in ("/catalog", "/deliveries?status=dead_letter", f"/endpoints/{endpoint.id}")
    }
    for path, page in pages.items():
        page.goto(path)
        page.evaluate("document.body.dataset.loaded = 'once'")
    catalog, listed, shown = pages.values()
    before = catalog.locator("#clock time").inner_text()
    shop.failing = True
    coffrify_sandbox.trigger("ping", count=5)
    coffrify_sandbox.run_out()
    expect(catalog.locator("#clock time")).not_to_have_text(before)
    expect(listed.locator("tbody tr")).to_have_count(5)
    expect(shown.get_by_role("button", name="Enable")).to_be_visible()
    expect(shown.get_by_role("button", name="Disable")).to_have_count(0)
    for page in pages.values():
        expect(page.get_by_role("link", name="Dead letters 5")).to_be_visible()
        assert page.evaluate("document.body.dataset.loaded") == "once"
    shop.failing = False
    shop.secret = endpoint.secret
    shown.get_by_role("button", name="Enable").click()
    expect(shown.get_by_text("The endpoint is enabled.")).to_be_focused()


@pytest.mark.parametrize("text", ["first\nsecond", "a\rb", "a\r\nb", "10\xa0000 \U000e0001"])
def test_a_form_gives_line_breaks_back(
    window: BrowserContext, coffrify_sandbox: Sandbox, text: str
) -> None:
    """A browser's form gives line breaks back as they were, as text or as JSON, when sent too."""
    page = window.new_page()
    page.goto("/trigger/transfer.created")
    page.get_by_role("button", name="Edit as JSON").click()
    raw = page.get_by_label("Data as JSON")
    data = {**json.loads(raw.input_value()), "transfer_title": text}
    raw.fill(json.dumps(data))
    page.get_by_role("button", name="Edit as form").click()
    page.get_by_role("button", name="Edit as JSON").click()
    assert json.loads(raw.input_value()) == data
    page.get_by_role("button", name="Edit as form").click()
    expect(page.get_by_role("button", name="Edit as JSON")).to_be_visible()
    page.get_by_role("button", name="Trigger", exact=True).click()
    expect(page.get_by_text("Triggered events: 1.")).to_be_visible()
    database = coffrify_sandbox._service.database
    [event] = coffrify_sandbox._call(lambda: database.events(1))
    assert event.data == data


def test_back_and_forth(window: BrowserContext) -> None:
    """The browser's own buttons lead back to a form, and forth to what came of it."""
    page = window.new_page()
    page.goto("/trigger/ping")
    page.get_by_role("button", name="Trigger", exact=True).click()
    expect(page).to_have_url(re.compile(r"^http://[^/]+/$"))  # the notice is told once
    expect(page).to_have_title("Overview · Coffrify sandbox")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("ping")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_text("Triggered events")).to_have_count(0)


def test_a_wrong_field_is_marked_and_put_right(
    browser: Browser, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """A wrong field is marked, keeps its text, and is put right; a list grows and shrinks."""
    shop.secret = coffrify_sandbox.create_endpoint(url).secret
    context = browser.new_context(base_url=coffrify_sandbox.url)  # a 400 is told on the console
    page = context.new_page()
    page.goto("/trigger/transfer.created")
    field = page.get_by_label("total_downloads integer")
    field.fill("many")
    items = page.locator("fieldset.item")
    count = items.count()
    page.get_by_role("button", name="Add an item").click()
    expect(items).to_have_count(count + 1)
    page.get_by_role("button", name="Remove item 0").click()
    expect(items).to_have_count(count)
    page.get_by_role("button", name="Trigger", exact=True).click()
    expect(page.get_by_text("This is not a number")).to_be_visible()
    expect(field).to_have_value("many")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("7")
    field.press("Enter")  # the first button is the one that is meant
    expect(page.get_by_text("Triggered events: 1.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="transfer.created")).to_contain_text("success")
    context.close()


def test_a_burst_leaves_the_list_right(
    window: BrowserContext, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """Hundreds of deliveries at once leave the list right, and the page at ease."""
    shop.secret = coffrify_sandbox.create_endpoint(url).secret
    page = window.new_page()
    page.goto("/")
    swaps = (
        "document.addEventListener('htmx:after:swap', () => window.swaps = (window.swaps || 0) + 1)"
    )
    page.evaluate(swaps)
    count = budget(300, 1000)
    coffrify_sandbox.trigger("ping", count=count)
    expect(page.locator("#count-success b")).to_have_text(str(count))
    shown = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.id)")
    assert shown == [f"row-{each.id}" for each in coffrify_sandbox.deliveries()[:50]]
    assert page.evaluate("window.swaps") < count / 3
    page.get_by_role("link", name="Older deliveries").click()
    expect(page.locator("tbody tr")).to_have_count(50)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_has_the_colours_of_the_system(
    browser: Browser, coffrify_sandbox: Sandbox, scheme: str, tmp_path: Path
) -> None:
    """Every page has the colours that the system asks for."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.trigger("transfer.created", manner="duplicate")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    with watched(browser, coffrify_sandbox, color_scheme=scheme) as context:
        page = context.new_page()
        for path in ("/", f"/deliveries/{delivery.id}", "/catalog", "/trigger/transfer.created"):
            page.goto(path)
            ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            lightness = sum(map(int, re.findall(r"\d+", ground)))
            assert (lightness > 600) == (scheme == "light"), path


def test_the_keyboard_alone_is_enough(window: BrowserContext, shop: Shop, url: str) -> None:
    """With the keyboard alone: skip to the content, create an endpoint, and send it a test."""
    page = window.new_page()
    page.goto("/")
    press = page.keyboard.press
    press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    press("Enter")
    for name in ("Why was a request refused?", "Trigger an event", "Create an endpoint"):
        press("Tab")
        expect(page.get_by_role("link", name=name).first).to_be_focused()
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    press("Enter")
    expect(page.get_by_role("heading", name="Create an endpoint")).to_be_visible()
    page.get_by_label("Name").focus()
    page.keyboard.type("Typed")
    press("Tab")
    press("Control+A")
    page.keyboard.type(url)
    press("Enter")
    expect(page.get_by_text("The endpoint was created.")).to_be_focused()
    reached: list[str] = []
    while "Copy" not in reached:
        press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert [name for name in reached if name][:3] == ["Endpoints", "Disable", "Send a test event"]


def test_forms_work_without_any_javascript(
    browser: Browser, coffrify_sandbox: Sandbox, shop: Shop, url: str
) -> None:
    """The forms work without any JavaScript: create, trigger, retry, let time pass, replay."""
    with watched(browser, coffrify_sandbox, java_script_enabled=False) as context:
        page = context.new_page()
        shop.secret = create(page, url)
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        shop.failing = True
        page.goto("/trigger/transfer.created")
        page.get_by_label("Number of events").fill("2")
        page.get_by_role("button", name="Trigger", exact=True).click()
        expect(page.get_by_text("Triggered events: 2.")).to_be_visible()
        coffrify_sandbox.settle()
        page.get_by_role("button", name="Advance time by 72 h").click()
        expect(page.get_by_text("Time was advanced.")).to_be_visible()
        coffrify_sandbox.settle()
        page.get_by_role("button", name="Advance time by 24 h").click()
        coffrify_sandbox.settle()
        shop.failing = False
        page.goto("/dead-letters")
        page.get_by_role("button", name="Replay all").click()
        expect(page.get_by_text("Replayed dead letters: 2.")).to_be_visible()
        coffrify_sandbox.settle()
        assert shop.seen == ["transfer.created"] * 2
        page.goto(f"/deliveries/{coffrify_sandbox.deliveries()[0].id}")
        page.get_by_role("button", name="Replay").click()
        expect(page.get_by_text("sends the same event again")).to_be_visible()


@pytest.mark.parametrize("width", [360, 768])
def test_no_page_is_wider_than_its_screen(
    browser: Browser, coffrify_sandbox: Sandbox, shop: Shop, url: str, width: int
) -> None:
    """No page is wider than its screen."""
    endpoint = coffrify_sandbox.create_endpoint(url)
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    paths = ["/", f"/deliveries/{delivery.id}", f"/endpoints/{endpoint.id}", "/endpoints/new"]
    paths += ["/dead-letters", "/catalog", "/trigger", "/trigger/transfer.created", "/doctor"]
    size = {"width": width, "height": 800}
    with watched(browser, coffrify_sandbox, viewport=size) as context:
        page = context.new_page()
        for path in paths:
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_nothing_of_a_stranger_s_text_runs(
    window: BrowserContext, coffrify_sandbox: Sandbox
) -> None:
    """Nothing of a payload, a name or an answer runs or asks for anything, live or not."""
    hostile = "\"><img src='https://evil.example/x' onerror='alert(1)'><script>alert(1)</script>"

    def answers(_environ: Any, start: Any) -> list[bytes]:
        start("500 Oops", [("Content-Type", "text/html"), ("X-Own", hostile)])
        return [hostile.encode()]

    page = window.new_page()
    page.on("dialog", lambda _: pytest.fail("it ran"))
    page.goto("/")
    endpoint = coffrify_sandbox.serve(answers)
    service = coffrify_sandbox._service
    coffrify_sandbox._call(lambda: service.endpoints.update(endpoint.id, {"name": hostile}))
    coffrify_sandbox.trigger("transfer.created", fields={"notes": hostile})
    expect(page.get_by_role("link", name=hostile).first).to_be_visible()
    page.get_by_role("link", name="transfer.created").first.click()
    expect(page.get_by_text(hostile).first).to_be_visible()
    coffrify_sandbox.run_out()
    expect(page.locator("h1 .status")).to_have_text("dead letter")


def test_screenshots_are_small(browser: Browser, tmp_path: Path) -> None:
    """A picture in 256 colours is a good deal smaller, and one that a browser can read."""
    page = browser.new_page(viewport={"width": 320, "height": 200})
    page.set_content("<h1>Sandbox</h1>")
    png = page.screenshot()
    page.close()
    shrink(browser, png, tmp_path / "small.png")
    assert (tmp_path / "small.png").stat().st_size < len(png)
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG")
