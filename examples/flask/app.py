"""An audit trail of transfers in Flask: `flask run`, and look at http://127.0.0.1:5000/."""

from flask import Flask

import trail
from coffrify_webhooks import Receiver
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.stores.sql import SQLStore


def create_app() -> Flask:
    """Make the application, and its tables where they are missing."""
    trail.metadata.create_all(trail.engine)
    app = Flask(__name__)
    CoffrifyWebhooks(app, Receiver(store=SQLStore(trail.engine)), health=True)

    @app.get("/")
    def index() -> str:
        return trail.page()

    return app
