"""OpenTelemetry: our spans stand under those of the frameworks' own instrumentations."""

import os
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.test import AsyncClient, Client, override_settings
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.starlette import StarletteInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from starlette.applications import Starlette
from tests.adapters.requests import Request, send_asgi
from tests.monitoring.test_otel import DRIVERS, PATH, SECRET, SENDER, Rig, tree_of

from coffrify_webhooks import sign
from coffrify_webhooks.otel import instrument
from coffrify_webhooks.starlette import CoffrifyWebhooksMiddleware, webhook_route

if not django_settings.configured:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from coffrify_webhooks_django.conf import current_endpoint

MESSAGES = (" http receive", " http send")
OURS = ["process transfer.created", "handle announce"]


def chain_of(spans: list[ReadableSpan]) -> list[str]:
    """Return the names from that of the request down to the handler's, all of the sender's trace.

    The spans of single ASGI messages are left out.
    """
    for span in spans:
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" in SENDER
    lines = tree_of([each for each in spans if not each.name.endswith(MESSAGES)])
    assert [len(line) - len(line.lstrip()) for line in lines] == [2 * n for n in range(len(lines))]
    return [line.strip() for line in lines]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("form", ["route", "middleware"])
def test_a_span_stands_under_that_of_starlettes_instrumentation(kind: str, form: str) -> None:
    rig = Rig()
    rig.on("announce", kind=kind)
    app = Starlette(routes=[webhook_route(rig.receiver)] if form == "route" else [])
    if form == "middleware":
        app.add_middleware(CoffrifyWebhooksMiddleware, receiver=rig.receiver)
    StarletteInstrumentor.instrument_app(app, tracer_provider=rig.tracers)
    body, headers = rig.request()
    assert send_asgi(app, Request("POST", PATH, body, headers, len(body))).status == 200
    top, *below = chain_of(rig.spans())
    assert top.startswith("POST")
    assert below == OURS


@DRIVERS
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_span_stands_under_that_of_djangos_instrumentation(driver: str, kind: str) -> None:
    """Under WSGI and under ASGI; the instrumentation is a middleware, with our view below."""
    rig = Rig()
    rig.on("announce", kind=kind)
    body, headers = rig.request()
    headers |= sign(body, SECRET)  # Django's receiver has the machine's clock
    posted: Any = {"content_type": "application/json", "headers": headers}
    options = {
        "SECRETS": SECRET,
        "STORE": "memory:",
        "ROUTER": rig.router,
    }
    with override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[]):
        receiver = current_endpoint().receiver
        instrument(receiver, tracer_provider=rig.tracers, meter_provider=rig.meters)
        DjangoInstrumentor().instrument(tracer_provider=rig.tracers)
        try:
            if driver == "sync":
                status = Client().post(PATH, body, **posted).status_code
            else:
                status = async_to_sync(AsyncClient().post)(PATH, body, **posted).status_code
        finally:
            DjangoInstrumentor().uninstrument()
    assert status == 200
    top, *below = chain_of(rig.spans())
    assert top.startswith("POST")
    assert below == OURS
