"""Django: what an observer sets around an operation is seen in the handler, however called."""

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.test import RequestFactory, override_settings

from coffrify_webhooks import Event, Notice, Router, sign

if not django_settings.configured:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from coffrify_webhooks_django.conf import current_endpoint
from coffrify_webhooks_django.http import receive, receive_async

SECRET = "whsec_" + "ab" * 16
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
current: ContextVar[str] = ContextVar("current", default="")


@contextmanager
def span(notice: Notice) -> Iterator[None]:
    token = current.set(f"{current.get()}/{notice.kind}")
    try:
        yield
    finally:
        current.reset(token)  # ValueError in another context than it was set in


@pytest.mark.parametrize("server", ["wsgi", "asgi", "asgi within a waiting thread"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_handler_of_django_sees_what_an_observer_has_set(
    server: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Under each kind of server; and the sender's trace arrives through the request."""
    router, seen, traces = Router(), list[str](), list[Any]()

    def observe(notice: Notice) -> Any:
        if notice.kind == "delivery" and notice.phase == "completed" and notice.delivery:
            traces.append(notice.delivery.trace_context)
        return span(notice) if notice.phase == "started" else None

    def handle(event: Event) -> None:
        seen.append(current.get())

    async def handle_async(event: Event) -> None:
        await asyncio.sleep(0)
        seen.append(current.get())

    both: dict[str, Any] = {"sync": handle, "async": handle_async}
    router.on("ping", name="handle")(both[kind])
    options = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": router, "OBSERVERS": [observe]}
    body = json.dumps({"id": "evt_1", "type": "ping"}).encode()
    headers = {**sign(body, SECRET), "traceparent": PARENT}
    request = RequestFactory().post(
        "/webhooks/coffrify", body, content_type="application/json", headers=headers
    )
    with override_settings(COFFRIFY_WEBHOOKS=options):
        receiver = current_endpoint().receiver
        if server == "wsgi":
            response = receive(receiver, request)
        elif server == "asgi":
            response = asyncio.run(receive_async(receiver, request))
        else:
            response = async_to_sync(receive_async)(receiver, request)
    assert response.status_code == 200
    assert seen == ["/delivery/handler"]
    assert traces == [{"traceparent": PARENT}]
    assert current.get() == ""
    assert [each for each in caplog.records if each.exc_info] == []
