"""An audit trail of transfers in Starlette: `uvicorn --factory app:create_app`."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

import trail
from coffrify_webhooks import Receiver
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.stores.sql import SQLStore


async def index(request: Request) -> HTMLResponse:
    """Show the trail; the database is asked in a thread, since its driver blocks."""
    return HTMLResponse(await run_in_threadpool(trail.page))


def create_app() -> Starlette:
    """Make the application, and its tables where they are missing."""
    trail.metadata.create_all(trail.engine)
    receiver = Receiver(store=SQLStore(trail.engine))
    return Starlette(routes=[Route("/", index), webhook_route(receiver, health=True)])
