"""The application under chaos with a DBOS engine: the web process knows no handler, the worker two.

`one` is quick and fails now and then; `two` is slow.
"""

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

from tests.chaos.journal import Journal

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from coffrify_webhooks.retries import Retries

__all__ = ["flask", "receiver"]

journal = Journal(Path(os.environ["CHAOS_JOURNAL"]))
router = Router()


def _receiver(router: Router) -> Receiver:
    return Receiver(
        os.environ["COFFRIFY_WEBHOOK_SECRET"],
        store=os.environ["CHAOS_STORE"],
        dispatcher=DBOSDispatcher(os.environ["CHAOS_ENGINE"]),
        router=router,
        lease=3,
        retries=Retries(first=0.5),
    )


def _write(what: str, event: Event, handler: str, run: int) -> None:
    journal.write(what, str(event.id), handler, f"{os.getpid()}-{run}")


@router.on("*", name="one")
def one(event: Event) -> None:
    run = time.monotonic_ns()
    _write("begin", event, "one", run)
    if random.random() < 0.05:
        _write("raise", event, "one", run)
        raise ConnectionError("as it happens")
    _write("end", event, "one", run)


@router.on("*", name="two")
async def two(event: Event) -> None:
    run = time.monotonic_ns()
    _write("begin", event, "two", run)
    await asyncio.sleep(random.uniform(0.1, 0.4))
    _write("end", event, "two", run)


def flask() -> Any:
    """Make the web process: it imports this module, but its router has no handler."""
    from flask import Flask

    from coffrify_webhooks.flask import CoffrifyWebhooks

    app = Flask("chaos")
    CoffrifyWebhooks(app, _receiver(Router()))
    return app


receiver = _receiver(router) if os.environ.get("CHAOS_WORKER") else None
