"""An application beside the sandbox, which receives what it sends: something to try it with."""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from coffrify_webhooks.extras import needs
from coffrify_webhooks.http.url_path import DEFAULT_PATH

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox import Endpoint
    from coffrify_webhooks_sandbox.service import Service

__all__ = ["check_requirements", "example"]

_SETTING = "example"


def check_requirements() -> None:
    """Raise ConfigurationError if what the example is made with is not installed."""
    with needs("flask"):
        import_module("flask")


@contextmanager
def example(service: "Service") -> Generator["Endpoint"]:
    """Serve it on a free port of this machine, and keep one endpoint for it."""
    with needs("flask"):
        from flask import Flask
    from coffrify_webhooks import Receiver
    from coffrify_webhooks.flask import CoffrifyWebhooks
    from coffrify_webhooks_sandbox.background import serve_in_thread
    from coffrify_webhooks_sandbox.signing import new_secret

    database = service.database
    old = database.endpoint(database.setting(_SETTING, ""))
    secret = old.secret if old else new_secret()
    app = Flask("example")
    handlers = "coffrify_webhooks_examples.webhooks"
    CoffrifyWebhooks(app, Receiver(secret, store="memory:", handlers=handlers))
    with serve_in_thread(app) as port:
        url = f"http://127.0.0.1:{port}{DEFAULT_PATH}"
        if old:
            # Active again, too: while nobody listened there, it may have been disabled.
            yield service.endpoints.update(old.id, {"url": url, "is_active": True})
        else:
            made = service.endpoints.create(url, name="Example", secret=secret)
            database.set(_SETTING, made.id)
            yield made
