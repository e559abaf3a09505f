"""Coffrify webhooks in Flask: `gunicorn coffrify_webhooks_examples.flask_app:app`.

The secret comes from the variable COFFRIFY_WEBHOOK_SECRET.
"""

from flask import Flask

from coffrify_webhooks.flask import CoffrifyWebhooks

app = Flask(__name__)
app.config["COFFRIFY_WEBHOOKS"] = {"HANDLERS": "coffrify_webhooks_examples.webhooks"}
CoffrifyWebhooks(app)


@app.get("/")
def index() -> str:
    """Stand for the rest of the application."""
    return "Webhooks arrive at /webhooks/coffrify."
