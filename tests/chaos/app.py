"""The applications under chaos: three handlers that write down what they do.

`one` is quick, `two` is slow and fails now and then, `three` is atomic where the store allows it:
its effect is a row in the store's own database. In Flask and Starlette the store is that of a URL,
in Django Django's own.
"""

import asyncio
import os
import random
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.journal import Journal
from tests.chaos.troubles import starve

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.drivers import drive as drivers
from coffrify_webhooks.stores import AtomicStore, Store, open_store

__all__ = ["django_asgi", "django_wsgi", "flask", "forget", "migrate", "starlette"]

LEASE = 3.0
SLOW = float(os.environ.get("CHAOS_SLOW", "0"))
"""Seconds that each call of the store takes longer; a handler then outlasts its lease."""
journal = Journal(Path(os.environ["CHAOS_JOURNAL"]))
full = Path(os.environ["CHAOS_JOURNAL"]).with_name("full")
"""While it is there, handlers do not return."""
has_places = False
"""Whether plain handlers run in threads, so many at once; else each holds up its own request."""
drivers._MOST = 2  # of 40, so that they can all be taken
drivers._after_fork()
starve(full.with_name("starved"))
router = Router()


def run_of(event: Event) -> str:
    return f"{os.getpid()}-{time.monotonic_ns()}"


@router.on("*", name="one")
def one(event: Event) -> None:
    run = run_of(event)
    journal.write("begin", str(event.id), "one", run)
    while has_places and full.exists():
        time.sleep(0.02)
    journal.write("end", str(event.id), "one", run)


@router.on("*", name="two")
async def two(event: Event) -> None:
    run = run_of(event)
    journal.write("begin", str(event.id), "two", run)
    while "webhooks-loop" in threading.current_thread().name and full.exists():
        time.sleep(0.02)  # noqa: ASYNC251 - it blocks the loop of all async handlers
    await asyncio.sleep(random.uniform(0, 0.04) if not SLOW else 1.5 * LEASE)
    if random.random() < 0.1:
        journal.write("raise", str(event.id), "two", run)
        raise ConnectionError("as it happens")
    journal.write("end", str(event.id), "two", run)


def insert(connection: Any, event_id: str) -> None:
    """Write the effect by SQLAlchemy's connection, or by Django's."""
    if hasattr(connection, "exec_driver_sql"):
        from sqlalchemy import text

        connection.execute(text("INSERT INTO effects VALUES (:id)"), {"id": event_id})
        return
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effects VALUES (%s)", [event_id])


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

    calls = {"claim": claimed, "checkpoint": checkpointed, "done": finished}
    if SLOW:
        calls["renew"] = store.renew
        calls = {name: _slowed(call) for name, call in calls.items()}
    vars(store).update(calls)
    return store


def _slowed(call: Any) -> Any:
    def slow(*arguments: Any) -> Any:
        time.sleep(SLOW)
        return call(*arguments)

    return slow


def receiver_on(store: Store, *, is_async: bool = False) -> Receiver:
    """Make the receiver; one for each worker."""
    atomic = isinstance(store, AtomicStore)

    def three(event: Event, connection: Any = None) -> None:
        run = run_of(event)
        journal.write("begin", str(event.id), "three", run)
        if atomic:
            insert(connection, str(event.id))
            time.sleep(random.uniform(0, 0.02))
        journal.write("end", str(event.id), "three", run)

    global has_places  # noqa: PLW0603
    has_places = is_async
    router.on("*", name="three", atomic=atomic)(three)
    secret = os.environ["COFFRIFY_WEBHOOK_SECRET"]
    return Receiver(secret, store=journalled(store), router=router, lease=LEASE)


def flask() -> Any:
    """Make the WSGI application."""
    from flask import Flask

    from coffrify_webhooks.flask import CoffrifyWebhooks

    app = Flask("chaos")
    CoffrifyWebhooks(app, receiver_on(open_store(os.environ["CHAOS_STORE"])))
    return app


def starlette() -> Any:
    """Make the ASGI application."""
    from starlette.applications import Starlette

    from coffrify_webhooks.starlette import webhook_route

    receiver = receiver_on(open_store(os.environ["CHAOS_STORE"]), is_async=True)
    return Starlette(routes=[webhook_route(receiver)])


def django_wsgi() -> Any:
    """Make Django's WSGI application."""
    _set_up_django()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def django_asgi() -> Any:
    """Make Django's ASGI application, in the form that its page recommends."""
    _set_up_django(is_async=True)
    from django.core.asgi import get_asgi_application

    from coffrify_webhooks.django.asgi import with_webhooks

    return with_webhooks(get_asgi_application())


def migrate() -> None:
    """Make Django's tables."""
    _set_up_django()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def forget() -> None:
    """Drop the store's tables, and make them anew."""
    _set_up_django()
    from django.core.management import call_command

    call_command("migrate", "coffrify_webhooks", "zero", verbosity=0)
    call_command("migrate", verbosity=0)


def _set_up_django(*, is_async: bool = False) -> None:
    import django
    from django.conf import settings

    from coffrify_webhooks_django import DjangoStore, conf
    from coffrify_webhooks_django.conf import DjangoReceiver

    url = urlsplit(os.environ["CHAOS_STORE"])
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="chaos",
        ROOT_URLCONF="tests.django_urls",
        INSTALLED_APPS=["coffrify_webhooks.django"],
        MIDDLEWARE=["coffrify_webhooks.django.CoffrifyWebhooksMiddleware"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path[1:],
                "USER": url.username,
                "HOST": url.hostname,
                "PORT": url.port,
                "OPTIONS": {"connect_timeout": 2},
                "ATOMIC_REQUESTS": True,
            }
        },
        COFFRIFY_WEBHOOKS={"LEASE": LEASE, "ROUTER": router},
    )
    django.setup()
    made = receiver_on(DjangoStore(), is_async=is_async)
    endpoint = conf.current_endpoint()
    receiver = endpoint.receiver
    assert isinstance(receiver, DjangoReceiver)
    receiver.store = made.store  # the same, but it writes down what it has recorded
