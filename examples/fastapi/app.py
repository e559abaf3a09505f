"""An audit trail of transfers in FastAPI: `uvicorn --factory app:create_app`."""

from datetime import datetime

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

import trail
from coffrify_webhooks import Receiver
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.stores.sql import SQLStore


class Entry(BaseModel):
    """One row of the trail."""

    event_id: str
    signed_at: datetime
    transfer: str
    what: str


def create_app() -> FastAPI:
    """Make the application, and its tables where they are missing."""
    trail.metadata.create_all(trail.engine)
    app = FastAPI(title="Transfers")
    receiver = Receiver(store=SQLStore(trail.engine))
    app.include_router(webhook_router(receiver, health=True, include_in_schema=True))

    @app.get("/", response_class=HTMLResponse)
    def index() -> str:
        return trail.page()

    @app.get("/entries")
    def list_entries(transfer: str | None = None) -> list[Entry]:
        found = [Entry(**row._mapping) for row in trail.newest()]  # noqa: SLF001 - its public name
        return [entry for entry in found if transfer in (None, entry.transfer)]

    return app
