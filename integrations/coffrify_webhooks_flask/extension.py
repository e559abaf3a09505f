"""A Flask extension: one route, whose handlers run inside the application's context."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from coffrify_webhooks.endpoint import endpoint, hide_other, receiver_of
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.http.url_path import DEFAULT_PATH, UrlPath
from coffrify_webhooks.wsgi import reply_to

from .body import body_of
from .commands import RECEIVERS, commands
from .configuration import ConfiguredReceiver, settings_of
from .context import context_of
from .rules import add_health, add_rules

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

__all__ = ["CoffrifyWebhooks"]

_NAME = "coffrify_webhooks"


class CoffrifyWebhooks:
    """Adds the webhook endpoint to a Flask application: `CoffrifyWebhooks(app)`, or `init_app`.

    receiver: by default, one is made from `app.config["COFFRIFY_WEBHOOKS"]` (the Receiver's options
    in capitals, and PATH), with its store in the instance folder. path: below the application's
    root, with or without a trailing slash; one given here overrides the one in the config. health:
    whether to answer monitors too, by GET at the path and `/health`; so does HEALTH in the config.
    The first receiver is at `app.extensions["coffrify_webhooks"]`; several have paths of their own.

    Its handlers run inside the application's context: the request's, and where there is none, as
    in an engine's worker, one for each call of a handler.
    """

    receiver: Receiver | None
    """The receiver of the last application initialised; before, the one given."""

    def __init__(
        self,
        app: Flask | None = None,
        receiver: Receiver | None = None,
        path: str = DEFAULT_PATH,
        *,
        health: bool = False,
    ) -> None:
        receiver = hide_other(receiver)
        self._receiver = self.receiver = None if receiver is None else receiver_of(receiver)
        self._path = path
        self._health = health
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register the endpoint; raises ConfigurationError for settings that cannot be used."""
        if not isinstance(app, Flask):
            raise ConfigurationError(
                f"app must be a Flask application, not {type(app).__name__}: CoffrifyWebhooks(app, "
                "receiver=receiver)"
            )
        receiver, path, health = self._receiver, UrlPath(self._path), self._health
        if receiver is None:
            receiver, path, health = endpoint(
                settings_of(app.config, self._path),  # no name of ours holds the secrets
                folder=Path(app.instance_path),
                kind=ConfiguredReceiver,
            )
        if (path.text or "/") in app.extensions.get(RECEIVERS, {}):
            raise ConfigurationError(
                f"{path.text or '/'} has a receiver already; initialise the extension once, or "
                "give this one another path"
            )
        name = _NAME if _NAME not in app.view_functions else f"{_NAME}{path.text}"

        receiver.handler_context = partial(context_of, app, receiver)
        app.extensions.setdefault(_NAME, receiver)
        app.extensions.setdefault(RECEIVERS, {})[path.text or "/"] = receiver
        self.receiver = receiver
        app.cli.add_command(commands)  # where only this application's commands are looked at

        def coffrify_webhooks(**_host: str) -> Response:
            reply = reply_to(receiver, request.environ, body_of)
            return Response(reply.body, reply.status, reply.headers)

        add_rules(app, path, name)
        app.view_functions[name] = coffrify_webhooks
        if health or self._health:
            add_health(app, path, name, receiver)
        if "csrf" in app.extensions:  # Flask-WTF: the signature is what proves the sender
            app.extensions["csrf"].exempt(coffrify_webhooks)
