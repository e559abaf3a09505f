"""The application under chaos with an engine: the web process knows no handler, the worker two.

`one` is quick and fails now and then; `two` is slow. CHAOS_ENGINE says which engine: `engine` is
what its own command is given, where it has one. With CHAOS_DEFAULTS it is set up as it comes.
"""

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

from tests.chaos.journal import Journal
from tests.chaos.troubles import starve

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.dispatch import Dispatcher
from coffrify_webhooks.observe import Notice
from coffrify_webhooks.retries import Retries

__all__ = ["engine", "flask", "receiver"]

LEASE = 3.0
CARE = 2
"""Seconds between two sweeps; a minute in real life."""
url = os.environ["CHAOS_BROKER"]
by_default = bool(os.environ.get("CHAOS_DEFAULTS"))
journal = Journal(Path(os.environ["CHAOS_JOURNAL"]))
router = Router()


def _dbos() -> tuple[Any, Dispatcher]:
    from coffrify_webhooks.dispatch import dbos

    dbos._CARE = CARE
    return None, dbos.DBOSDispatcher("sqlite://" if by_default else url)


def _celery() -> tuple[Any, Dispatcher]:
    from celery import Celery

    from coffrify_webhooks.dispatch import celery, celery_worker

    celery_worker._CARE = CARE
    app = Celery("chaos", broker=url)
    if not by_default:
        app.conf.update(
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            task_publish_retry=False,
            broker_connection_retry_on_startup=True,
            broker_transport_options={
                "visibility_timeout": 5,
                "unacked_mutex_expire": 2,
                "unacked_restore_interval": 1,
                "unacked_restore_throttle": 1,
                "socket_timeout": 2,
                "socket_connect_timeout": 2,
            },
        )
    return app, celery.CeleryDispatcher(app)


def _dramatiq() -> tuple[Any, Dispatcher]:
    from dramatiq.brokers.redis import RedisBroker

    from engines import dramatiq_engine

    dramatiq_engine.CARE = CARE
    broker: Any = (
        RedisBroker(url=url)
        if by_default
        else RedisBroker(
            url=f"{url}?socket_timeout=2&socket_connect_timeout=2",
            heartbeat_timeout=3000,
            maintenance_chance=200_000,
        )
    )
    return broker, dramatiq_engine.DramatiqDispatcher(broker)


def _procrastinate() -> tuple[Any, Dispatcher]:
    from procrastinate import App, PsycopgConnector

    from engines import procrastinate_engine

    procrastinate_engine.CARE = f"* * * * * */{CARE}"  # the last is the field of seconds
    app = App(connector=PsycopgConnector(conninfo=url))
    if not by_default:
        app.worker_defaults = {
            "concurrency": 4,
            "delete_jobs": "successful",
            "update_heartbeat_interval": 1,
            "stalled_worker_timeout": 3,
        }
    return app, procrastinate_engine.ProcrastinateDispatcher(app, url)


_MAKERS = {
    "dbos-sqlite": _dbos,
    "dbos-postgres": _dbos,
    "celery": _celery,
    "dramatiq": _dramatiq,
    "procrastinate": _procrastinate,
}


def _receiver(router: Router) -> Receiver:
    return Receiver(
        os.environ["COFFRIFY_WEBHOOK_SECRET"],
        store=os.environ["CHAOS_STORE"],
        dispatcher=_dispatcher,
        router=router,
        lease=LEASE,
        retries=Retries(first=0.5, longest=1),
        lost_after=float(os.environ["CHAOS_LOST_AFTER"]),
        observers=[_observe],
    )


def _observe(notice: Notice) -> None:
    if notice.kind == "swept":
        journal.write("swept", "-")


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


starve(Path(os.environ["CHAOS_STARVED"]))
engine, _dispatcher = _MAKERS[os.environ["CHAOS_ENGINE"]]()
receiver = _receiver(router) if os.environ.get("CHAOS_WORKER") else None
