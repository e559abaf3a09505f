"""Finds a route in front of the endpoint that would take its deliveries."""

from __future__ import annotations

from typing import Any

from starlette.routing import BaseRoute, Match, NoMatchFound

from coffrify_webhooks.errors import ConfigurationError

__all__ = ["refuse_routes_in_front"]


def refuse_routes_in_front(app: Any, name: str, endpoint: object) -> None:
    """Raise ConfigurationError if another route of `app` takes a POST to the route called `name`.

    Deliveries that it answers 200 would count as delivered and be lost.
    """
    try:
        path = str(app.url_path_for(name))
    except NoMatchFound:
        return  # included with a parameter in its prefix, or in another application
    for route in app.routes:
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": path, "root_path": ""}
        scope["headers"] = []
        match, child = route.matches(scope)
        if match is not Match.FULL:
            continue
        if child.get("endpoint") is not endpoint and not _leads_to(route, name):
            taker = getattr(route, "path", None) or type(route).__name__
            raise ConfigurationError(
                f"the route {taker!r} stands in front of the webhook endpoint and takes what is "
                f"sent to {path.rstrip('/') or '/'}; add the endpoint before it"
            )
        return


def _leads_to(route: BaseRoute, name: str) -> bool:
    try:
        route.url_path_for(name)
    except NoMatchFound:
        return False
    return True
