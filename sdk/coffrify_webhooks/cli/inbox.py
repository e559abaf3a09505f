"""`coffrify-webhooks inbox`: the inbox of an application, served on loopback for a look."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.errors import ConfigurationError

from .failure import Failed
from .source import Source, takes_source

if TYPE_CHECKING:
    from coffrify_webhooks.inbox import InboxRequest

__all__ = ["inbox"]

_PORT = 4243
_HOST = "127.0.0.1"
_NAMES = (_HOST, "localhost")


@click.command(
    short_help="Look at stored events in a browser, on this machine.",
    epilog="Example: coffrify-webhooks inbox --app myapp.webhooks",
)
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--bodies", is_flag=True, help="Show the bodies of events too.")
@takes_source(handles=True)
def inbox(source: Source, *, port: int, bodies: bool) -> None:
    """Look at stored events in a browser, on this machine; replay and forget them.

    Listens on 127.0.0.1 alone, and asks for no password: whoever can use this machine can use the
    page. Ctrl-C stops it. To let others see it, mount `inbox_app` in your application.
    """
    from coffrify_webhooks.inbox import inbox_app
    from coffrify_webhooks.inbox.wsgi import make_server

    if source.receiver is None:
        raise ConfigurationError(
            "which application? Name the module that holds its Receiver: --app myapp.webhooks"
        )
    app = inbox_app(
        source.receiver,
        authorize=_is_for_this_machine,
        bodies=_is_for_this_machine if bodies else None,
    )
    try:
        server = make_server(_HOST, port, app.wsgi)
    except OSError as error:
        raise Failed(f"port {port}: {error.strerror}; name another: --port") from None
    with server, suppress(KeyboardInterrupt):
        click.echo(f"inbox  http://{_HOST}:{server.server_port}/")
        server.serve_forever()


def _is_for_this_machine(request: InboxRequest) -> bool:
    """Refuse a page whose name was made to lead here (DNS rebinding)."""
    return request.headers.get("host", "").partition(":")[0].lower() in _NAMES
