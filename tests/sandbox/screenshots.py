"""Takes the screenshots of docs/sandbox.md: `python -m tests.sandbox.screenshots`.

Time stands still in the sandbox, and chance is seeded, so that two runs show the same; the fonts
are those of the machine (here Debian's fonts-inter and fonts-jetbrains-mono).
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.sandbox.chromium import chromium
from tests.sandbox.palette import shrink

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks_sandbox import Endpoint, Sandbox
from coffrify_webhooks_sandbox.clock import Anchor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["Shop", "take"]

FOLDER = Path(__file__).parents[2] / "docs" / "images"
MOMENT = 1_777_885_200.0  # 2026-05-04 09:00 UTC
MOST_BYTES = 150_000
SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a9153e8f2d60a1c95b74"


class Shop:
    """A WSGI receiver that verifies what comes, and fails to handle what it is told to."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.receiver = Receiver(SECRET, router=Router(), store="memory:")
        self.receiver.on("*")(self.handle)

    def handle(self, event: Event) -> None:
        if event.type in self.failing:
            raise RuntimeError(event.type)

    def __call__(self, environ: Any, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        reply = self.receiver.receive(body, headers)
        start(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers.items()))
        return [reply.body]


def still(sandbox: Sandbox, moment: float) -> None:
    """Set a sandbox's time, and seed what is random in it."""
    service: Any = sandbox._service

    def move() -> None:
        clock = service.clock
        clock._latest, clock._anchor = moment, Anchor(moment, clock._seen, 0.0)
        service._random.seed(42)

    sandbox._call(move)


def rename(sandbox: Sandbox, endpoint: Endpoint, name: str) -> None:
    """Give an endpoint a name that does not change with its port."""
    sandbox._call(lambda: sandbox._service.endpoints.update(endpoint.id, {"name": name}))


def fill(sandbox: Sandbox) -> dict[str, str]:
    """Let things happen that show each page at work; returns the addresses of the pages."""
    still(sandbox, MOMENT)
    shop, archive = Shop(), Shop()
    archive.failing = {"transfer.expired", "api_key.suspicious_usage"}
    first = sandbox.serve(shop, secret=SECRET)
    second = sandbox.serve(archive, secret=SECRET)
    for endpoint, name in ((first, "Shop"), (second, "Archive")):
        rename(sandbox, endpoint, name)
    sandbox.trigger("api_key.suspicious_usage", endpoint=second)
    sandbox.settle()
    sandbox.skip(300)
    sandbox.trigger("transfer.expired", endpoint=second)
    sandbox.run_out()
    archive.failing = {"transfer.scan_infected"}
    dead = sandbox.deliveries(status="dead_letter")
    sandbox.replay(dead[0])
    sandbox.settle()
    for pause, name, manner in (
        (1800, "workspace.created", ""),
        (420, "transfer.created", ""),
        (65, "transfer.downloaded", ""),
        (240, "transfer.created", "duplicate"),
        (130, "saml.login_failed", "forged"),
        (50, "transfer.scan_infected", ""),
    ):
        sandbox.skip(pause)
        sandbox.trigger(name, manner=manner)
        sandbox.settle()
    for seconds in (35, 80, 180, 420):
        sandbox.skip(seconds)
    sandbox.trigger("transfer.email_sent")
    sandbox.settle()
    retrying = sandbox.deliveries(status="retrying")[0]
    return {
        "overview": "/",
        "deliveries": "/deliveries",
        "delivery": f"/deliveries/{retrying.id}",
        "endpoint": f"/endpoints/{first.id}",
        "new-endpoint": "/endpoints/new",
        "dead-letters": "/dead-letters",
        "catalog": "/catalog",
        "event-types": "/trigger",
        "trigger": "/trigger/transfer.created",
    }


def take(browser: Browser, folder: Path = FOLDER) -> list[Path]:
    """Write one picture of each page, and one more in dark."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with Sandbox(port=4242) as sandbox:
        places = [(name, path, "light") for name, path in fill(sandbox).items()]
        places.append(("overview-dark", "/", "dark"))
        for name, path, scheme in places:
            page = browser.new_page(
                viewport={"width": 1280, "height": 800},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page.goto(sandbox.url + path)
            page.evaluate("document.fonts.ready")
            if name == "new-endpoint":
                page.get_by_label("Only these").check()
            file = folder / f"sandbox-{name}.png"
            shrink(browser, page.screenshot(animations="disabled"), file)
            page.close()
            written.append(file)
    return written


def main() -> None:
    """Take them all, and complain about one that has become too large."""
    logging.disable()  # what fails in them fails on purpose
    with chromium() as browser:
        for file in take(browser):
            size = file.stat().st_size
            print(f"{file.name} {size // 1000} kB")  # noqa: T201
            assert size < MOST_BYTES, file


if __name__ == "__main__":
    main()
