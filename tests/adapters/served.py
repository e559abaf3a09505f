"""A WSGI application with both forms of the endpoint, for servers that run in a process."""

import os
from typing import Any

from flask import Flask
from tests.adapters.suite import SECRET

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware
from coffrify_webhooks.http import body as body_module


def receiver(name: str, **options: Any) -> Receiver:
    router = Router()

    @router.on("*")
    def everything(event: Event) -> None: ...

    return Receiver(SECRET, name=name, router=router, store="memory:", **options)


def build() -> Flask:
    """Return an application that answers at /flask and, by the middleware, at /wsgi."""
    app = Flask("served")
    CoffrifyWebhooks(app, receiver("flask"), "/flask")
    app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app, receiver("wsgi"), "/wsgi")  # type: ignore[method-assign]
    return app


if "TEST_PATIENCE" in os.environ:
    body_module._PATIENCE = float(os.environ["TEST_PATIENCE"])  # type: ignore[assignment]
    app = build()
