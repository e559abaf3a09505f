"""A process of the application under chaos whose handlers keep the events of each object in order.

    python -m tests.chaos.order_app deliver 2   # sends the third share, until all is answered 2xx
    python -m tests.chaos.order_app migrate     # makes Django's tables

The environment says where: CHAOS_STORE, CHAOS_JOURNAL, CHAOS_EVENTS, CHAOS_OBJECTS, and for DBOS
CHAOS_ENGINE. With CHAOS_WORKER the module holds the `receiver` of a worker.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.journal import Journal, read

from coffrify_webhooks import Event, Receiver, Reply, Router, sign
from coffrify_webhooks.retries import Retries
from coffrify_webhooks.stores import Store, open_store

__all__ = ["PROCESSES", "receiver"]

PROCESSES = 4
AT_ONCE = 4
LEASE = 2.0
LONGEST = 0.01
"""Seconds that a handler takes."""
path = Path(os.environ["CHAOS_JOURNAL"])
journal = Journal(path)
router = Router()


def begin(event: Event, handler: str) -> str:
    run = f"{os.getpid()}-{time.monotonic_ns()}"
    journal.write("begin", f"{event.data['id']}:{event.data['v']}", handler, run)
    return run


def end(event: Event, handler: str, run: str) -> None:
    what = "raise" if random.random() < 0.03 else "end"
    journal.write(what, f"{event.data['id']}:{event.data['v']}", handler, run)
    if what == "raise":
        raise ConnectionError("as it happens")


def by_id(event: Event) -> str:
    return str(event.data["id"])


@router.on(
    "*", name="latest", key=by_id, order="latest", version=lambda event: int(event.data["v"])
)
def latest(event: Event) -> None:
    run = begin(event, "latest")
    time.sleep(random.uniform(0, LONGEST))
    end(event, "latest", run)


@router.on("*", name="serial", key=by_id, order="serial")
async def serial(event: Event) -> None:
    run = begin(event, "serial")
    await asyncio.sleep(random.uniform(0, LONGEST))
    end(event, "serial", run)


def make_store() -> Store:
    url = os.environ["CHAOS_STORE"]
    if not url.startswith("django+"):
        return open_store(url)
    _set_up_django(url)
    from coffrify_webhooks_django import DjangoStore

    return DjangoStore()


def _set_up_django(url: str) -> None:
    import django
    from django.conf import settings

    parts = urlsplit(url.removeprefix("django+"))
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
    settings.configure(INSTALLED_APPS=["coffrify_webhooks.django"], DATABASES={"default": database})
    django.setup()


def make_receiver() -> Receiver:
    dispatcher = os.environ.get("CHAOS_ENGINE") or None
    return Receiver(
        os.environ["COFFRIFY_WEBHOOK_SECRET"],
        store=make_store(),
        router=router,
        dispatcher=dispatcher,
        lease=LEASE,
        retries=Retries(attempts=100, first=0.2, longest=1),
        lost_after=10,
    )


def shares(number: int) -> deque[str]:
    """Return the deliveries of one process: each event is in two of all, in any order."""
    events, objects = int(os.environ["CHAOS_EVENTS"]), int(os.environ["CHAOS_OBJECTS"])
    names = [
        f"o{event % objects}:{event // objects}:{copy}" for event in range(events) for copy in "ab"
    ]
    random.Random(7).shuffle(names)
    answered = {line.event for line in read(path) if line.what == "answered"}
    return deque(name for name in names[number::PROCESSES] if name not in answered)


class Sender:
    """Sends a share until each delivery is answered 2xx."""

    def __init__(self, number: int) -> None:
        self.receiver = make_receiver()
        self.left = shares(number)
        self.under_way = 0

    def take(self) -> str | None:
        try:
            name = self.left.popleft()
        except IndexError:
            return None
        self.under_way += 1
        return name

    def request(self, name: str) -> tuple[bytes, Any]:
        thing, version, _ = name.split(":")
        event = {
            "id": f"evt_{thing}_{version}",
            "type": "thing.changed",
            "data": {"id": thing, "v": int(version)},
        }
        body = json.dumps(event).encode()
        return body, sign(body, os.environ["COFFRIFY_WEBHOOK_SECRET"])

    def note(self, name: str, reply: Reply) -> float:
        """Note an answer; return how long to wait before the next delivery."""
        if reply.status == 200:
            journal.write("answered", name, reply.outcome)
        else:
            journal.write("refused", name, f"{reply.status}-{reply.outcome}")
            self.left.append(name)
        self.under_way -= 1
        return 0.0 if reply.status == 200 else 0.02

    def work(self) -> None:
        while self.left or self.under_way:
            name = self.take()
            if name is None:
                time.sleep(0.02)
                continue
            time.sleep(self.note(name, self.receiver.receive(*self.request(name))))

    async def work_async(self) -> None:
        while self.left or self.under_way:
            name = self.take()
            if name is None:
                await asyncio.sleep(0.02)
                continue
            reply = await self.receiver.receive_async(*self.request(name))
            await asyncio.sleep(self.note(name, reply))


async def _work_async(sender: Sender) -> None:
    await asyncio.gather(*(sender.work_async() for _ in range(AT_ONCE)))


def main() -> None:
    """Run from the command line."""
    if sys.argv[1] == "migrate":
        _set_up_django(os.environ["CHAOS_STORE"])
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        return
    number = int(sys.argv[2])
    sender = Sender(number)
    if number % 2:
        asyncio.run(_work_async(sender))
        return
    threads = [threading.Thread(target=sender.work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


receiver = make_receiver() if os.environ.get("CHAOS_WORKER") else None

if __name__ == "__main__":
    main()
