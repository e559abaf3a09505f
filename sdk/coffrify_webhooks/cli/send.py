"""`coffrify-webhooks send`: one signed delivery, without a server."""

import asyncio
import shlex
import time
import uuid
from collections.abc import Mapping
from random import Random
from typing import Any, cast

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.options import SECRET_VARIABLE

from .failure import Unusable
from .payload import payload

__all__ = ["send"]


@click.command(short_help="Send one signed delivery, without a server.")
@click.argument("event_type", metavar="TYPE")
@click.option("--to", "url", required=True, metavar="URL", help="Where your receiver listens.")
@click.option(
    "--secret", envvar=SECRET_VARIABLE, show_envvar=True, metavar="S", help="What to sign with."
)
@click.option(
    "--data",
    multiple=True,
    metavar="K=V",
    help="A field of the payload, as files.0.name=a.pdf, or all of it as JSON. The rest is random.",
)
@click.option("--id", "event_id", metavar="ID", help="The event's id; a new one unless given.")
@click.option("--catalog", metavar="FILE", help="A catalog to use instead of the bundled one.")
@click.option(
    "--secret-encoding",
    default="every",
    show_default=True,
    type=click.Choice(["every", "hex", "base64", "text"]),
    help="How the secret becomes a key.",
)
@click.option("--curl", is_flag=True, help="Print a curl command instead, good for 5 minutes.")
def send(
    *,
    event_type: str,
    url: str,
    secret: str | None,
    data: tuple[str, ...],
    event_id: str | None,
    catalog: str | None,
    secret_encoding: str,
    curl: bool,
) -> None:
    """Sign an event of a TYPE, and send it; exits 0 if it was answered 2xx, else 1."""
    with needs("sandbox"):
        from coffrify_webhooks_sandbox.errors import SandboxError  # noqa: PLC0415
        from coffrify_webhooks_sandbox.sender import checked_url  # noqa: PLC0415
        from coffrify_webhooks_sandbox.signing import readings, signed  # noqa: PLC0415

    first = (secret or "").partition(",")[0].strip()
    if not first:
        raise ConfigurationError(
            f"there is no secret to sign with; pass --secret, or set {SECRET_VARIABLE}"
        )
    encoding = cast("Any", secret_encoding)
    try:
        readings(first, encoding)
    except ConfigurationError as error:
        raise Unusable(f"{error} (--secret-encoding {secret_encoding})") from None
    given = payload(data)
    try:
        checked_url(url, ("*",))
        body = _body(event_type, event_id or str(uuid.uuid4()), catalog, given.data, given.fields)
    except SandboxError as error:
        raise Unusable(str(error)) from None
    headers = {
        "Content-Type": "application/json",
        **signed(body[1], [first], body[0], time.time(), encoding),
    }
    if curl:
        click.echo(_curl(url, headers, body[1]))
        return
    _send(url, headers, body[1])


def _body(
    event_type: str, event_id: str, catalog: str | None, data: Any, fields: Mapping[str, Any]
) -> tuple[str, bytes]:
    with needs("sandbox"):
        from coffrify_webhooks_sandbox.event_types import EventTypes  # noqa: PLC0415
    from coffrify_webhooks_sandbox.views import body_of, with_fields, written  # noqa: PLC0415

    types = EventTypes(catalog)
    if data is None:
        data = types.make(event_type, time.time(), Random())  # noqa: S311 - not a secret
    data = with_fields(data, fields)
    types.check(event_type, data)
    return event_id, written(body_of(event_id, event_type, data))


def _send(url: str, headers: Mapping[str, str], body: bytes) -> None:
    from coffrify_webhooks_sandbox.sender import Answer, Request, Sender  # noqa: PLC0415

    async def sent() -> Answer:
        sender = Sender()
        try:
            return await sender.send(Request(url, headers, body))
        finally:
            await sender.close()

    answer = asyncio.run(sent())
    click.echo(f"{answer.status or answer.error} in {answer.seconds * 1000:.0f} ms")
    if answer.body:
        click.echo(answer.body.decode("utf-8", "backslashreplace")[:2000])
    if answer.status is None or not 200 <= answer.status < 300:  # noqa: PLR2004
        raise SystemExit(1)


def _curl(url: str, headers: Mapping[str, str], body: bytes) -> str:
    words = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    content = f"--data-binary {shlex.quote(body.decode())}"
    # As we send it ourselves: to this one address, and through no proxy.
    curl = f"curl -i -g --noproxy '*' {shlex.quote(url)}"
    return " \\\n  ".join([curl, *words, content])
