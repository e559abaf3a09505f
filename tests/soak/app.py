"""What is soaked: a handler that fails now and then, and notes what it has finished."""

import logging
import os
import random
from pathlib import Path

from flask import Flask
from starlette.applications import Starlette

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route

__all__ = ["flask_app", "starlette_app"]

logging.getLogger("coffrify_webhooks").setLevel(logging.CRITICAL)
router = Router()
journal = os.open(os.environ["SOAK_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@router.on("*", name="note", allow_unknown=True)
def note(event: Event) -> None:
    if random.random() < 0.05:
        raise ConnectionError
    os.write(journal, f"{event.id}\n".encode())


def _receiver() -> Receiver:
    secret = Path(os.environ["SOAK_SECRET"]).read_text()
    return Receiver(secret, store=os.environ["SOAK_STORE"], router=router)


def starlette_app() -> Starlette:
    return Starlette(routes=[webhook_route(_receiver())])


def flask_app() -> Flask:
    app = Flask("soak")
    CoffrifyWebhooks(app, _receiver())
    return app
