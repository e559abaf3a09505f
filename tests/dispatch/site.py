"""A web process, a worker and their store, for tests of an engine: all in this process."""

import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coffrify_webhooks import Event, Receiver, Reply, Retries, Router, sign
from coffrify_webhooks.dispatch import Dispatcher
from coffrify_webhooks.pipeline.identity import key_of

__all__ = ["PATIENCE", "Site", "wait_until"]

SECRET = "whsec_" + "ab" * 16
PATIENCE = 60.0


class Site:
    """A web process that knows no handler; a worker's `execute` tells `told` what it did.

    `failing` counts how often the handler is yet to raise; `hold` lets it wait.
    """

    def __init__(self, folder: Path, make: Callable[[], Dispatcher]) -> None:
        self.failing = 0
        self.runs: list[tuple[str, float]] = []
        self.begun = threading.Event()
        self.released = threading.Event()
        self.released.set()
        self.told: queue.Queue[str] = queue.Queue()
        router = Router()
        router.on("transfer.*", name="plain")(self._plain)
        router.on("ping", name="unhurried")(self._unhurried)
        options: Any = {"store": f"sqlite:///{folder}/store.db", "lease": 3}
        self.engine = make()
        self.web = Receiver(SECRET, dispatcher=self.engine, router=Router(), **options)
        self.receiver = Receiver(
            SECRET,
            dispatcher=make(),
            router=router,
            retries=Retries(attempts=3, first=0.3, factor=1, jitter=0),
            observers=[self._observe],
            **options,
        )

    def _plain(self, event: Event) -> None:
        self.runs.append((str(event.id), time.monotonic()))
        self.begun.set()
        assert self.released.wait(PATIENCE)
        if self.failing:
            self.failing -= 1
            raise ConnectionError

    async def _unhurried(self, event: Event) -> None:
        self.runs.append((str(event.id), time.monotonic()))

    def _observe(self, notice: Any) -> None:
        if notice.kind == "executed" and not notice.text.startswith("replay"):
            self.told.put(notice.text.rpartition(": ")[2])

    def outcome(self) -> str:
        """Wait for the next event that comes to its end, and return what came of it."""
        return self.told.get(timeout=PATIENCE)

    def deliver(self, name: str, kind: str = "transfer.created") -> Reply:
        body = json.dumps({"id": name, "type": kind, "data": {}}).encode()
        headers = sign(body, SECRET)
        if not name.isascii():
            headers = {each: headers[each] for each in headers if each.lower().startswith("x-")}
        return self.web.receive(body, headers)

    def status(self, name: str) -> str | None:
        record = self.web.store.get(key_of("default", name))
        return record.status if record else None

    def close(self) -> None:
        self.released.set()
        self.web.store.close()
        self.receiver.store.close()


def wait_until(true: Callable[[], Any]) -> None:
    """Wait for what nobody tells."""
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)
