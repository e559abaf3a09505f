"""The rules by which Flask finds the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request

from coffrify_webhooks.http.health import health_path
from coffrify_webhooks.wsgi import answer_monitor

if TYPE_CHECKING:
    from typing import Any

    from flask import Flask

    from coffrify_webhooks.http.url_path import UrlPath
    from coffrify_webhooks.receiver import Receiver

__all__ = ["add_health", "add_rules"]


def add_health(app: Flask, path: UrlPath, name: str, receiver: Receiver) -> None:
    """Add the page that monitors ask for."""

    def coffrify_webhooks_health(**_host: str) -> Response:
        answer = answer_monitor(receiver, request.method)
        return Response(answer.body, answer.status, answer.headers)

    add_rules(app, health_path(path), f"{name}_health")
    app.view_functions[f"{name}_health"] = coffrify_webhooks_health


def add_rules(app: Flask, path: UrlPath, name: str) -> None:
    """Add the endpoint to the application's map, on every host.

    Straight to the map: every method is ours to answer, and no slash is redirected.
    """
    for hosts in _every_host(app):
        rule = app.url_rule_class(
            path.text or "/",
            endpoint=name,
            methods=None,
            strict_slashes=False,
            merge_slashes=False,
            **hosts,
        )
        app.url_map.add(rule)


def _every_host(app: Flask) -> list[dict[str, Any]]:
    """Return what lets a rule match whichever host a request is for."""
    if app.url_map.host_matching:
        return [{"host": "<coffrify_host>"}]
    if app.subdomain_matching:
        return [{}, {"subdomain": "<coffrify_host>"}]
    return [{}]
