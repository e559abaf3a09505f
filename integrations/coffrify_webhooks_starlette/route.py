"""A Starlette route for applications that list their routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.routing import Route

from coffrify_webhooks.asgi import WebhookEndpoint
from coffrify_webhooks.endpoint import hide_other
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

__all__ = ["webhook_route"]


def webhook_route(
    receiver: Receiver | None = None, path: str = DEFAULT_PATH, *, health: bool = False
) -> Route:
    """Return the route of the webhook endpoint: `Starlette(routes=[webhook_route()])`.

    health: whether it answers monitors too, by GET at the path and `/health`.
    """
    receiver = hide_other(receiver)
    text = UrlPath(path).text
    endpoint = WebhookEndpoint(receiver, health=health, path=text)
    route = Route(text or "/", endpoint, name="coffrify_webhooks")
    # Starlette would redirect the slash, and its `$` lets a newline follow.
    more = "(?:/health)?" if health else ""
    route.path_regex = re.compile(rf"^{re.escape(text)}{more}/?\Z")
    return route
