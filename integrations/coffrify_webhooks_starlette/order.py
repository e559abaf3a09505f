"""Finds a route in front of the endpoint that would take its deliveries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.routing import Match

from coffrify_webhooks.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["refuse_routes_in_front"]

_SAMPLES = ("0", "00000000-0000-0000-0000-000000000000")


def refuse_routes_in_front(routes: Iterable[Any], endpoint: object) -> None:
    """Raise ConfigurationError if a POST to a route of `endpoint` is taken by another route.

    Deliveries that it answers 200 would count as delivered and be lost. routes: in the order in
    which they are asked.
    """
    asked = list(routes)
    for ours in asked:
        if getattr(ours, "endpoint", None) is not endpoint:
            continue
        path = _sample(ours)
        taker = _taker(asked, _delivery(path))
        if taker is not None and getattr(taker, "endpoint", None) is not endpoint:
            name = getattr(taker, "path", type(taker).__name__) or "/"
            raise ConfigurationError(
                f"the route {name!r} stands in front of the webhook endpoint and takes what is "
                f"sent to {path}; add the endpoint before it"
            )
        if path != "/" and path.endswith("/") and _taker(asked, _delivery(path[:-1])) is None:
            raise ConfigurationError(
                f"a delivery to {path[:-1]} is redirected to {path}, and the sender follows no "
                f"redirect; give the endpoint a path of its own, beside the prefix or instead of it"
            )


def _delivery(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": path, "headers": []}


def _taker(routes: Sequence[Any], scope: dict[str, Any]) -> Any:
    """Return the route that answers, of a mounted application's routes the one of them."""
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.FULL:
            return _taker(getattr(route, "routes", None) or (), {**scope, **child}) or route
    return None


def _sample(route: Any) -> str:
    """Return a path that a route takes; a prefix may hold parameters."""
    path = str(route.path_format)
    for name, convertor in route.param_convertors.items():
        value = next((each for each in _SAMPLES if re.fullmatch(convertor.regex, each)), "0")
        path = path.replace(f"{{{name}}}", value)
    return path
