"""Coffrify webhooks in FastAPI: `uvicorn coffrify_webhooks_examples.fastapi_app:app`.

The secret comes from the variable COFFRIFY_WEBHOOK_SECRET.
"""

from fastapi import FastAPI

from coffrify_webhooks import Receiver
from coffrify_webhooks.fastapi import webhook_router

app = FastAPI()
app.include_router(webhook_router(Receiver(handlers="coffrify_webhooks_examples.webhooks")))


@app.get("/")
async def index() -> str:
    """Stand for the rest of the application."""
    return "Webhooks arrive at /webhooks/coffrify."
