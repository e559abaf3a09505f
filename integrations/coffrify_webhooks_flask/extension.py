"""A Flask extension: one route, whose handlers run inside the application's context."""

from __future__ import annotations

from asyncio import _get_running_loop, _set_running_loop
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Response, current_app, has_app_context, request
from werkzeug.exceptions import RequestEntityTooLarge

from coffrify_webhooks.endpoint import endpoint
from coffrify_webhooks.errors import BodyTooLarge, ConfigurationError
from coffrify_webhooks.http.body import read_wsgi
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.wsgi import reply_to

from .commands import RECEIVERS, commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any

    from flask import Flask

__all__ = ["CoffrifyWebhooks"]

_NAME = "coffrify_webhooks"


class CoffrifyWebhooks:
    """Adds the webhook endpoint to a Flask application: `CoffrifyWebhooks(app)`, or `init_app`.

    receiver: else one is made from `app.config["COFFRIFY_WEBHOOKS"]` (the Receiver's options in
    capitals, and PATH), its store in the instance folder. path: below the application's root,
    with or without a trailing slash; one given here goes before one in the config. The first
    receiver is at `app.extensions["coffrify_webhooks"]`; several have paths of their own.

    Its handlers run inside the application's context: the request's, and where there is none, as
    in an engine's worker, one for each call of a handler.
    """

    receiver: Receiver | None
    """That of the last application initialised; before, the one given."""

    def __init__(
        self, app: Flask | None = None, receiver: Receiver | None = None, path: str = DEFAULT_PATH
    ) -> None:
        self._receiver = self.receiver = receiver
        self._path = path
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the endpoint; raises ConfigurationError for settings that cannot be used."""
        receiver, path = self._receiver, UrlPath(self._path)
        if receiver is None:
            own = {} if self._path == DEFAULT_PATH else {"PATH": self._path}
            receiver, path = endpoint(
                {**_configured(app.config), **own},  # no name of ours holds the secrets
                folder=Path(app.instance_path),
                kind=_ConfiguredReceiver,
            )
        if (path.text or "/") in app.extensions.get(RECEIVERS, {}):
            raise ConfigurationError(
                f"{path.text or '/'} has a receiver already; initialise the extension once, or "
                "give this one another path"
            )
        name = _NAME if _NAME not in app.view_functions else f"{_NAME}{path.text}"

        receiver.handler_context = partial(_context, app, receiver)
        app.extensions.setdefault(_NAME, receiver)
        app.extensions.setdefault(RECEIVERS, {})[path.text or "/"] = receiver
        self.receiver = receiver
        app.cli.add_command(commands)  # where only this application's commands are looked at

        def coffrify_webhooks(**_host: str) -> Response:
            reply = reply_to(receiver, request.environ, _body)
            return Response(reply.body, reply.status, reply.headers)

        # Straight to the map: every method is ours to answer, and no slash is redirected.
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
        app.view_functions[name] = coffrify_webhooks
        if "csrf" in app.extensions:  # Flask-WTF: the signature is what proves the sender
            app.extensions["csrf"].exempt(coffrify_webhooks)


class _ConfiguredReceiver(Receiver):
    settings_name = 'app.config["COFFRIFY_WEBHOOKS"]'


def _context(app: Flask, receiver: Receiver) -> AbstractContextManager[object]:
    """Return what a handler runs in: the context that is there, unless it is another's."""
    if has_app_context() and receiver in current_app.extensions.get(RECEIVERS, {}).values():
        return nullcontext()
    return _OwnContext(app)


class _OwnContext:
    """A context for one handler, which ends as in sync code.

    On an event loop Flask could not run an async teardown function.
    """

    def __init__(self, app: Flask) -> None:
        self._context = app.app_context()

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        loop = _get_running_loop()
        _set_running_loop(None)
        try:
            self._context.__exit__(kind, error, traceback)
        finally:
            _set_running_loop(loop)


def _configured(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("COFFRIFY_WEBHOOKS") or {}


def _every_host(app: Flask) -> list[dict[str, Any]]:
    """Return what lets a rule match whichever host a request is for."""
    if app.url_map.host_matching:
        return [{"host": "<coffrify_host>"}]
    if app.subdomain_matching:
        return [{}, {"subdomain": "<coffrify_host>"}]
    return [{}]


def _body(environ: dict[str, Any], limit: int) -> bytes:
    return read_wsgi(
        environ,
        limit,
        _kept,
        "a before_request function read request.form or request.stream; "
        "let it leave this path alone, or call request.get_data() first",
    )


def _kept() -> bytes:
    """Read as Flask does, which keeps what an earlier get_json() has read."""
    try:
        return request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise BodyTooLarge("the body is over MAX_CONTENT_LENGTH; raise that setting") from None
