"""The application under chaos: three handlers that write down what they do.

`one` is quick, `two` is slow and fails now and then, `three` is atomic where the store allows it:
its effect is a row in the store's own database.
"""

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

from tests.chaos.journal import Journal

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.stores import AtomicStore, Store, open_store

__all__ = ["flask", "starlette"]

LEASE = 3.0
journal = Journal(Path(os.environ["CHAOS_JOURNAL"]))
router = Router()


def run_of(event: Event) -> str:
    return f"{os.getpid()}-{time.monotonic_ns()}"


@router.on("*", name="one")
def one(event: Event) -> None:
    run = run_of(event)
    journal.write("begin", str(event.id), "one", run)
    journal.write("end", str(event.id), "one", run)


@router.on("*", name="two")
async def two(event: Event) -> None:
    run = run_of(event)
    journal.write("begin", str(event.id), "two", run)
    await asyncio.sleep(random.uniform(0, 0.04))
    if random.random() < 0.1:
        journal.write("raise", str(event.id), "two", run)
        raise ConnectionError("as it happens")
    journal.write("end", str(event.id), "two", run)


def journalled(store: Store) -> Store:
    """Let a store write down what it has recorded, once it has."""
    checkpoint, done = store.checkpoint, store.done
    names: dict[str, str] = {}
    claim = store.claim

    def claimed(key: str, *arguments: Any) -> Any:
        names[key] = arguments[3].id
        return claim(key, *arguments)

    def checkpointed(key: str, token: str, handler: str) -> bool:
        held = checkpoint(key, token, handler)
        if held:
            journal.write("recorded", names[key], handler)
        return held

    def finished(key: str, token: str) -> bool:
        held = done(key, token)
        if held:
            for handler in ("one", "two", "three"):
                journal.write("recorded", names[key], handler)
        return held

    vars(store).update(claim=claimed, checkpoint=checkpointed, done=finished)
    return store


def receiver() -> Receiver:
    """Make the receiver; one for each worker."""
    store = open_store(os.environ["CHAOS_STORE"])
    atomic = isinstance(store, AtomicStore)

    def three(event: Event, connection: Any = None) -> None:
        run = run_of(event)
        journal.write("begin", str(event.id), "three", run)
        if atomic:
            from sqlalchemy import text

            connection.execute(text("INSERT INTO effects VALUES (:id)"), {"id": event.id})
            time.sleep(random.uniform(0, 0.02))
        journal.write("end", str(event.id), "three", run)

    router.on("*", name="three", atomic=atomic)(three)
    secret = os.environ["COFFRIFY_WEBHOOK_SECRET"]
    return Receiver(secret, store=journalled(store), router=router, lease=LEASE)


def flask() -> Any:
    """Make the WSGI application."""
    from flask import Flask

    from coffrify_webhooks.flask import CoffrifyWebhooks

    app = Flask("chaos")
    CoffrifyWebhooks(app, receiver())
    return app


def starlette() -> Any:
    """Make the ASGI application."""
    from starlette.applications import Starlette

    from coffrify_webhooks.starlette import webhook_route

    return Starlette(routes=[webhook_route(receiver())])
