"""What the pictures of docs/sandbox.md show: a sandbox in which nothing is left to chance."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http import HTTPStatus
from random import Random
from threading import Thread
from typing import Any
from unittest.mock import patch
from uuid import UUID
from zlib import crc32

from playwright.sync_api import Page
from tests.screenshots.shown import MOMENT, Shown
from tests.screenshots.webhooks import Handlers

from coffrify_webhooks import Receiver
from coffrify_webhooks.inbox.wsgi import make_server
from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.clock import Anchor
from coffrify_webhooks_sandbox.dashboard import trigger_page
from coffrify_webhooks_sandbox.sender import Answer, Request, Sender

__all__ = ["sandbox_pages"]

SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a9153e8f2d60a1c95b74"


class Shop:
    """A WSGI receiver that verifies deliveries, and fails to handle some types of events."""

    def __init__(self, *failing: str) -> None:
        self.handlers = Handlers()
        self.handlers.failing = frozenset(failing)
        self._receiver = Receiver(
            SECRET, router=self.handlers.router, store="memory:", clock=lambda: MOMENT
        )

    def __call__(self, environ: Any, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {
            name.removeprefix("HTTP_").replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        reply = self._receiver.receive(body, headers)
        start(f"{reply.status} {HTTPStatus(reply.status).phrase}", list(reply.headers.items()))
        return [reply.body]


@contextmanager
def _pinned() -> Iterator[None]:
    """Make ids, random data and durations the same in each run."""
    random, send, sent = Random(7), Sender.send, Counter[str]()
    one_by_one = asyncio.Lock()

    async def send_in_fixed_time(self: Sender, request: Request) -> Answer:
        async with one_by_one:  # else the first that is answered comes first
            answer = await send(self, request)
        event = request.headers["webhook-id"]
        sent[event] += 1
        return replace(answer, seconds=((crc32(event.encode()) + 7 * sent[event]) % 30 + 4) / 1000)

    def make_uuid() -> UUID:
        return UUID(int=random.getrandbits(128), version=4)

    def make_hex(size: int) -> str:
        return random.randbytes(size).hex()

    with ExitStack() as undo:
        undo.enter_context(patch("uuid.uuid4", make_uuid))
        undo.enter_context(patch("secrets.token_hex", make_hex))
        undo.enter_context(patch.object(Sender, "send", send_in_fixed_time))
        undo.enter_context(patch.object(trigger_page, "Random", lambda: Random(7)))
        yield


def _stop_time(sandbox: Sandbox) -> None:
    """Set a sandbox's clocks, and seed its data."""
    service: Any = sandbox._service

    def move() -> None:
        clock = service.clock
        clock._latest, clock._anchor = MOMENT, Anchor(MOMENT, clock._seen, 0.0)
        service.courier._wall = lambda: MOMENT
        service._random.seed(42)

    sandbox._call(move)


@contextmanager
def _served(app: Shop, port: int) -> Iterator[int]:
    """Serve a receiver; yields the port, which pages show."""
    server = make_server("127.0.0.1", port, app)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _fill(sandbox: Sandbox, running: ExitStack, ports: tuple[int, int]) -> dict[str, str]:
    """Let things happen that show each page at work; returns the addresses of the pages."""
    _stop_time(sandbox)
    archive = Shop("transfer.expired", "api_key.suspicious_usage")
    first, second = (
        sandbox.create_endpoint(
            f"http://127.0.0.1:{running.enter_context(_served(app, port))}/webhooks/coffrify",
            name=name,
            secret=SECRET,
        )
        for name, app, port in (("Shop", Shop(), ports[0]), ("Archive", archive, ports[1]))
    )
    sandbox.trigger("api_key.suspicious_usage", endpoint=second)
    sandbox.settle()
    sandbox.skip(300)
    sandbox.trigger("transfer.expired", endpoint=second)
    sandbox.run_out()
    archive.handlers.failing = frozenset({"transfer.scan_infected"})
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


@contextmanager
def sandbox_pages(ports: tuple[int, int, int] = (0, 0, 0)) -> Iterator[list[Shown]]:
    """Run a sandbox, and yield what is pictured of it; ports: its own, and those of two shops."""
    with ExitStack() as running:
        running.enter_context(_pinned())
        sandbox = running.enter_context(Sandbox(port=ports[0]))
        paths = _fill(sandbox, running, ports[1:])
        shown = [
            Shown(
                f"sandbox-{name}",
                sandbox.url + path,
                prepare=_choose_events if name == "new-endpoint" else _nothing,
            )
            for name, path in paths.items()
        ]
        yield [*shown, Shown("sandbox-overview-dark", f"{sandbox.url}/", is_dark=True)]


def _choose_events(page: Page) -> None:
    page.get_by_label("Only these").check()


def _nothing(_page: Page) -> None:
    """Leave the page as it is."""
