"""What the pictures of docs/inbox.md show: an inbox over deliveries that were really received."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.screenshots.shown import MOMENT, Shown
from tests.screenshots.webhooks import Handlers

from coffrify_webhooks import Receiver, sign
from coffrify_webhooks.inbox import inbox_app
from coffrify_webhooks.stores import Filter
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.testing import make_event
from coffrify_webhooks_sandbox.background import serve_in_thread

__all__ = ["inbox_pages"]

SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a915"
DAY = (
    (22_000, "workspace.created", ""),
    (9_400, "transfer.created", ""),
    (8_900, "transfer.downloaded", ""),
    (5_400, "transfer.scan_infected", "fails"),
    (3_900, "transfer.created", ""),
    (3_850, "transfer.created", "differs"),
    (2_700, "transfer.expired", "fails"),
    (1_500, "transfer.email_sent", ""),
    (640, "saml.login_failed", "fails"),
    (610, "saml.login_failed", "repeats"),
    (300, "transfer.deleted", ""),
    (45, "transfer.downloaded", ""),
)
"""Seconds before the moment of the picture, what was delivered then, and how."""


class Shop:
    """A receiver, and the moment at which it is."""

    def __init__(self) -> None:
        self.now = MOMENT
        self.handlers = Handlers()
        self.receiver = Receiver(
            SECRET,
            name="shop",
            router=self.handlers.router,
            store=MemoryStore(clock=self.tell_time),
            clock=self.tell_time,
        )
        self._id = ""

    def tell_time(self) -> float:
        return self.now

    def receive(self, ago: float, type_: str, how: str) -> None:
        """Receive a delivery at a moment before the picture."""
        self.now = MOMENT - ago
        if how not in ("repeats", "differs"):
            self._id = f"evt_{int(self.now):x}{len(type_):02x}"
        self.handlers.failing = frozenset({type_} if how == "fails" else ())
        data = {"notes": "corrected"} if how == "differs" else {}
        body = make_event(type_, id=self._id, at=self.now, data=data).raw
        self.receiver.receive(body, sign(body, SECRET, timestamp=int(self.now)))


@contextmanager
def inbox_pages() -> Iterator[list[Shown]]:
    """Run an inbox, and yield what is pictured of it."""
    shop = Shop()
    for ago, type_, how in DAY:
        shop.receive(ago, type_, how)
    shop.now = MOMENT
    inbox = inbox_app(shop.receiver, authorize=lambda _request: True, bodies=lambda _request: True)
    failed = shop.receiver.store.find(Filter(statuses=("failed",)))[0]
    with serve_in_thread(inbox) as port:
        url = f"http://127.0.0.1:{port}"
        yield [
            Shown("inbox-events", f"{url}/"),
            Shown("inbox-events-dark", f"{url}/", is_dark=True),
            Shown("inbox-event", f"{url}/event/{failed.key}"),
            Shown("inbox-health", f"{url}/health"),
        ]
