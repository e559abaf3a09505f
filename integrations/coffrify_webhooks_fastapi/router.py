"""The webhook endpoint as a FastAPI router."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException

from coffrify_webhooks.asgi import WebhookEndpoint
from coffrify_webhooks.endpoint import hide_other
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath
from coffrify_webhooks_starlette.order import refuse_routes_in_front

from .schema import document_endpoint, document_events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from coffrify_webhooks.receiver import Receiver

__all__ = ["webhook_router"]


def webhook_router(
    receiver: Receiver | None = None,
    path: str = DEFAULT_PATH,
    *,
    health: bool = False,
    include_in_schema: bool = False,
) -> APIRouter:
    """Return a router with the webhook endpoint: `app.include_router(webhook_router())`.

    A `prefix` given to `include_router` comes before `path`. Include it before any route that
    takes every path: the application would otherwise not start (ConfigurationError). health:
    whether it answers monitors too, by GET at the path and `/health`. include_in_schema: whether
    the OpenAPI document shows the endpoint and, once the application has started, an entry below
    `webhooks` for each event type that has a handler.
    """
    receiver = hide_other(receiver)
    text = UrlPath(path).text
    endpoint = _Endpoint(receiver, health=health, path=text)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[None]:
        refuse_routes_in_front(_in_order(app.routes), endpoint)
        if include_in_schema:
            document_events(app, endpoint.receiver)
        yield

    router = APIRouter(redirect_slashes=False, lifespan=lifespan)
    # Both slashes, or FastAPI would redirect one to the other.
    for each in (text or "/", f"{text}/", *([f"{text}/health", f"{text}/health/"] * health)):
        router.add_route(each, endpoint, name="coffrify_webhooks", include_in_schema=False)  # type: ignore[arg-type]
    if include_in_schema:
        document_endpoint(router, text or "/")
    return router


def _in_order(routes: Sequence[BaseRoute]) -> Iterator[Any]:
    """Yield the routes as they are asked, those of included routers under their whole paths."""
    for each in iter_route_contexts(routes):
        # Older releases have the whole path of a plain route here alone.
        yield getattr(each._route_context, "starlette_route", None) or each  # noqa: SLF001


class _Endpoint(WebhookEndpoint):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("\n"):  # FastAPI's `$` lets one follow
            raise HTTPException(404)
        await super().__call__(scope, receive, send)
