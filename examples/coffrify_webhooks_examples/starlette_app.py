"""Coffrify webhooks in Starlette: `uvicorn coffrify_webhooks_examples.starlette_app:app`.

The secret comes from the variable COFFRIFY_WEBHOOK_SECRET.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from coffrify_webhooks import Receiver
from coffrify_webhooks.starlette import CoffrifyWebhooksMiddleware


async def index(_: Request) -> PlainTextResponse:
    """Stand for the rest of the application."""
    return PlainTextResponse("Webhooks arrive at /webhooks/coffrify.")


app = Starlette(routes=[Route("/", index)])
app.add_middleware(
    CoffrifyWebhooksMiddleware, receiver=Receiver(handlers="coffrify_webhooks_examples.webhooks")
)
