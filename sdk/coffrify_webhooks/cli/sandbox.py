"""`coffrify-webhooks sandbox`: Coffrify's sending side, on this machine."""

import shlex
import shutil
import sys
from contextlib import nullcontext, suppress

import click

from .sandbox_example import check_requirements, example
from .sandbox_lines import delivery_lines

__all__ = ["sandbox"]


_PORT = 4242
_NEAR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what this machine calls itself


@click.command(
    short_help="Run Coffrify's sending side on this machine.",
    epilog="Example: coffrify-webhooks sandbox --port 4242",
)
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--api-key", metavar="KEY", help="What the API asks for; one is made unless given.")
@click.option(
    "--db",
    default="coffrify-sandbox.db",
    show_default=True,
    metavar="FILE",
    help="Where endpoints, events and the schedule are kept; :memory: keeps nothing.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1_000_000),
    metavar="N",
    help="Seconds that pass in one of ours: with 3600, an hour of retries takes a second.",
)
@click.option("--catalog", metavar="FILE", help="A catalog to use instead of the bundled one.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST",
    help="Send to this host as well, not to this machine only; * allows all. Repeatable.",
)
@click.option(
    "--secret-encoding",
    default="every",
    show_default=True,
    type=click.Choice(["every", "hex", "base64", "text"]),
    help="How a secret becomes a key. Sources disagree: with `every`, any verifier is content.",
)
@click.option(
    "--with-example",
    is_flag=True,
    help="Serve an example application beside it, with an endpoint, to try it with.",
)
def sandbox(
    *,
    port: int,
    host: str,
    api_key: str | None,
    db: str,
    speed: float,
    catalog: str | None,
    allow_host: tuple[str, ...],
    secret_encoding: str,
    with_example: bool,
) -> None:
    """Send signed webhooks as Coffrify does: API, retries, dead letters, and a dashboard.

    Sends to this machine only, by default. It may be killed at any time, and goes on where it
    was. Ctrl-C stops it. Prints a line for each delivery, and one for its answer.
    """
    if with_example:
        check_requirements()
    from typing import Any, cast

    from coffrify_webhooks_sandbox.app import application
    from coffrify_webhooks_sandbox.background import Server, listen
    from coffrify_webhooks_sandbox.guard import is_loopback
    from coffrify_webhooks_sandbox.service import Service

    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with listen(host, port) as listener:
        service = Service(
            db=None if db == ":memory:" else db,
            catalog=catalog,
            speed=speed,
            encoding=cast("Any", secret_encoding),
            allow_hosts=allow_host,
            api_key=api_key,
        )
        port = listener.getsockname()[1]
        url, near = _url(host, port), _url(_NEAR.get(host, host), port)
        key = None if is_loopback(host) else service.api_key
        beside = example(service) if with_example else nullcontext()
        server = Server(application(service, host=host), service.stop)
        try:
            with beside as endpoint, suppress(KeyboardInterrupt):
                click.echo(f"dashboard  {url}\nAPI        {url}/v1")
                if not api_key or not api_key.strip():
                    click.echo(f"API key    {service.api_key}")
                if speed != 1:
                    click.echo(f"time       {speed:g} seconds pass there in one of ours")
                if endpoint is not None:
                    click.echo(f"example    {endpoint.url}\ntry        {_trigger(near, key)}")
                with delivery_lines():
                    server.run(sockets=[listener])
        finally:
            service.close()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _trigger(url: str, key: str | None) -> str:
    """Return the command that lets something happen, as it can be typed here."""
    name = "coffrify-webhooks"
    where = [] if url == _url("127.0.0.1", _PORT) else ["--sandbox", url]
    who = ["--api-key", key] if key else []
    program = name if shutil.which(name) else sys.argv[0]
    return shlex.join([program, "trigger", "transfer.created", *where, *who])
