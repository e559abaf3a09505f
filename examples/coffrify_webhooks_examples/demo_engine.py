"""What the demo serves to show an engine: Flask answers at once, a worker beside it handles.

    gunicorn coffrify_webhooks_examples.demo_engine:app
    coffrify-webhooks worker --app coffrify_webhooks_examples.demo_engine

The secret comes from the variable COFFRIFY_WEBHOOK_SECRET.
"""

from flask import Flask

from coffrify_webhooks import Receiver
from coffrify_webhooks.flask import CoffrifyWebhooks

from . import demo_handlers  # which registers its handlers

__all__ = ["app", "demo_handlers", "receiver"]

receiver = Receiver(
    dispatcher="dbos+sqlite:///engine.db",
    lease=2,  # so that the demo need not wait a minute; leave yours out
)
app = Flask(__name__)
CoffrifyWebhooks(app, receiver)


@app.get("/")
def index() -> str:
    """Stand for the rest of the application."""
    return "Webhooks arrive at /webhooks/coffrify."
