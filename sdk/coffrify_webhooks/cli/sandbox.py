"""`coffrify-webhooks sandbox`: Coffrify's sending side, on this machine."""

import shutil
import sys
from contextlib import nullcontext, suppress

import click

from coffrify_webhooks.extras import needs

from .sandbox_example import example

__all__ = ["sandbox"]


_PORT = 4242


@click.command(short_help="Run Coffrify's sending side on this machine.")
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

    Sends to this machine only, unless told. It may be killed at any time, and goes on where it
    was. Ctrl-C stops it.
    """
    with needs("sandbox"):
        import uvicorn  # noqa: PLC0415
    from typing import Any, cast  # noqa: PLC0415

    from coffrify_webhooks_sandbox.app import application  # noqa: PLC0415
    from coffrify_webhooks_sandbox.background import bound  # noqa: PLC0415
    from coffrify_webhooks_sandbox.guard import is_loopback  # noqa: PLC0415
    from coffrify_webhooks_sandbox.service import Service  # noqa: PLC0415

    with bound(host, port) as listener:
        service = Service(
            db=None if db == ":memory:" else db,
            catalog=catalog,
            speed=speed,
            encoding=cast("Any", secret_encoding),
            allow_hosts=allow_host,
            api_key=api_key,
        )
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        click.echo(f"dashboard  {url}\nAPI        {url}/v1")
        if not api_key or not api_key.strip():
            click.echo(f"API key    {service.api_key}")
        if speed != 1:
            click.echo(f"time       {speed:g} seconds pass there in one of ours")
        key = None if is_loopback(host) else service.api_key
        beside = example(service) if with_example else nullcontext()
        config = uvicorn.Config(
            application(service, host=host),
            log_level="warning",
            access_log=False,
            ws="none",
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        try:
            with beside as endpoint, suppress(KeyboardInterrupt):
                if endpoint is not None:
                    click.echo(f"example    {endpoint.url}\ntry        {_trigger(url, key)}")
                uvicorn.Server(config).run(sockets=[listener])
        finally:
            service.close()


def _trigger(url: str, key: str | None) -> str:
    """Return the command that lets something happen, as it can be typed here."""
    name = "coffrify-webhooks"
    where = "" if url == f"http://127.0.0.1:{_PORT}" else f" --sandbox {url}"
    who = f" --api-key {key}" if key else ""
    return f"{name if shutil.which(name) else sys.argv[0]} trigger transfer.created{where}{who}"
