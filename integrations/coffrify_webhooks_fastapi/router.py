"""The webhook endpoint as a FastAPI router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from coffrify_webhooks.url_path import DEFAULT_PATH, UrlPath
from coffrify_webhooks_starlette import WebhookEndpoint

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

__all__ = ["webhook_router"]


def webhook_router(receiver: Receiver | None = None, path: str = DEFAULT_PATH) -> APIRouter:
    """Return a router with the webhook endpoint: `app.include_router(webhook_router())`.

    A `prefix` given to `include_router` comes before `path`.
    """
    text = UrlPath(path).text
    endpoint = WebhookEndpoint(receiver)
    router = APIRouter(redirect_slashes=False)
    for each in (text, f"{text}/"):  # both, or FastAPI would redirect one to the other
        router.add_route(each or "/", endpoint, name="coffrify_webhooks", include_in_schema=False)  # type: ignore[arg-type]
    return router
