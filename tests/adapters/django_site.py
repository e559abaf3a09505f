"""Django applications: each way to mount the endpoint, beside each kind of middleware.

`wsgi` and `asgi` serve all of them, each below its own name; run as a program it sends through
Django's test clients. It prints one line for each delivery: application, event type, outcome.
"""

import asyncio
import itertools
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import TestResult

import django
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

SECRET = "whsec_" + "5e" * 32
OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"
OTHERS = ("none", "sync_only", "async_only", "both")
APPLICATIONS = [f"{m}-{o}" for m, o in itertools.product(("view", "first", "last"), OTHERS)]
URL = "/webhooks/coffrify"

settings.configure(
    SECRET_KEY="only-for-tests",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.sessions", "coffrify_webhooks.django"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["SITE_FOLDER"]) / "db.sqlite3",
            "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        }
    },
    COFFRIFY_WEBHOOKS={"SECRETS": SECRET},
)
django.setup()

from django.contrib.sessions.models import Session  # noqa: E402 - Django is set up first
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.test import AsyncClient, Client, TestCase, override_settings  # noqa: E402
from django.utils.timezone import now  # noqa: E402

from coffrify_webhooks import Event, on, sign  # noqa: E402

urlpatterns = [path("webhooks/", include("coffrify_webhooks.django.urls"))]
call_command("migrate", verbosity=0)


# --- other middleware -------------------------------------------------------------------------


def sync_only(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    return get_response


class async_only:  # noqa: N801 - spelled as its kind
    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return await self.get_response(request)


class both(async_only):  # noqa: N801
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)


# --- handlers ---------------------------------------------------------------------------------


def save(event: Event) -> int:
    with transaction.atomic():
        Session.objects.create(session_key=event.id, session_data="", expire_date=now())
    return Session.objects.count()


async def count() -> int:
    return await Session.objects.acount()


def handles(function: Callable[[Event], Any]) -> None:
    on(f"site.{function.__name__}", allow_unknown=True)(function)


@handles
def sync_orm(event: Event) -> None:
    Session.objects.count()


@handles
def sync_atomic(event: Event) -> None:
    save(event)


@handles
def sync_awaits_orm(event: Event) -> None:
    async_to_sync(count)()


@handles
def sync_asyncio_run(event: Event) -> None:
    asyncio.run(asyncio.sleep(0))


@handles
async def async_orm(event: Event) -> None:
    await Session.objects.acount()


@handles
async def async_atomic(event: Event) -> None:
    await sync_to_async(save)(event)


@handles
async def async_sleep(event: Event) -> None:
    await asyncio.sleep(0.001)


@handles
async def async_task(event: Event) -> None:
    task = asyncio.create_task(Session.objects.acount())
    await asyncio.sleep(0)
    await task


@handles
async def async_task_left(event: Event) -> None:
    tasks.add(asyncio.create_task(asyncio.sleep(0.01)))


@handles
def sync_forever(event: Event) -> None:
    threading.Event().wait()


@handles
async def async_forever(event: Event) -> None:
    await asyncio.Event().wait()


tasks: set[Any] = set()
TYPES = (
    *("sync_orm", "sync_atomic", "sync_awaits_orm", "sync_asyncio_run"),
    *("async_orm", "async_atomic", "async_sleep", "async_task", "async_task_left"),
)


# --- applications -----------------------------------------------------------------------------


def configured(application: str) -> Any:
    mount, other = application.split("-")
    middleware = [] if other == "none" else [f"{__name__}.{other}"]
    if mount == "first":
        middleware.insert(0, OURS)
    elif mount == "last":
        middleware.append(OURS)
    return override_settings(MIDDLEWARE=middleware)


def each(make: Callable[[], Any]) -> dict[str, Any]:
    made = {}
    for application in APPLICATIONS:
        with configured(application):
            made[application] = make()
    return made


def served() -> tuple[dict[str, Any], dict[str, Any]]:
    return each(get_wsgi_application), each(get_asgi_application)


_wsgi, _asgi = served() if __name__ != "__main__" else ({}, {})


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    _, application, rest = environ["PATH_INFO"].split("/", 2)
    return _wsgi[application]({**environ, "PATH_INFO": f"/{rest}"}, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    _, application, rest = scope["path"].split("/", 2)
    await _asgi[application]({**scope, "path": f"/{rest}"}, receive, send)


# --- Django's test clients --------------------------------------------------------------------


def request(application: str, event_type: str) -> dict[str, Any]:
    event_id = f"{application}_{event_type}".replace("-", "_")
    body = json.dumps({"id": event_id, "type": f"site.{event_type}"}).encode()
    return {"data": body, "content_type": "application/json", "headers": sign(body, SECRET)}


def tell(application: str, event_type: str, response: Any) -> None:
    line = f"{application} {event_type} {response.status_code} {response.content.decode()}"
    print(line, flush=True)  # noqa: T201 - for the test that started us


def with_client() -> None:
    for application in APPLICATIONS:
        with configured(application):
            client = Client()
            for event_type in TYPES:
                tell(application, event_type, client.post(URL, **request(application, event_type)))


async def with_async_client() -> None:
    for application in APPLICATIONS:
        with configured(application):
            client = AsyncClient()
            for event_type in TYPES:
                response = await client.post(URL, **request(application, event_type))
                tell(application, event_type, response)


class Transactional(TestCase):
    """As users' own tests: within a transaction that is rolled back at the end."""

    def test_client(self) -> None:
        with_client()
        assert Session.objects.exists()

    async def test_async_client(self) -> None:
        await with_async_client()
        assert await Session.objects.aexists()


def send(how: str) -> None:
    if how == "client":
        with_client()
    elif how == "async-client":
        asyncio.run(with_async_client())
    else:
        result = TestResult()
        Transactional(how)(result)
        sys.exit("\n".join(text for _, text in [*result.errors, *result.failures]) or None)


if __name__ == "__main__":
    threading.excepthook = lambda args: os._exit(3)
    send(sys.argv[1])
