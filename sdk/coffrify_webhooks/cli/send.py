"""`coffrify-webhooks send`: one signed delivery, without a server."""

from __future__ import annotations

import json
import re
import time
import uuid
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.http.url_path import DEFAULT_PATH
from coffrify_webhooks.signature.secret import SECRET_VARIABLE

from .answer import Answer, printable, read_answer
from .completion import complete_type
from .failure import Unusable
from .payload import payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .post import Response

__all__ = ["send"]

_WITH_TIME = 7
"""The version of a UUID that begins with its time (RFC 9562)."""
_SUCCESS = 200
_ANOTHER = (
    "Another part of the application answered, or another server. Check the path: "
    f"{DEFAULT_PATH} by default, below the prefix under which the application is mounted; and that "
    "no route or redirect stands in front of the endpoint. It said:"
)
_TITLE = re.compile(r"<title>\s*([^<]+)")
_ANY_TIME = 1_767_225_600.0
"""2026-01-01: around when things happen in an event whose id says no time."""


@click.command(
    short_help="Send one signed delivery, without a server.",
    epilog="Example: coffrify-webhooks send transfer.created --to http://127.0.0.1:8000/webhooks/coffrify",
)
@click.argument("event_type", metavar="TYPE", shell_complete=complete_type)
@click.option("--to", "url", required=True, metavar="URL", help="Where your receiver listens.")
@click.option(
    "--secret",
    envvar=SECRET_VARIABLE,
    show_envvar=True,
    metavar="S",
    help="The secret to sign with.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="K=V",
    help="A field of the payload, such as files.0.name=a.pdf, or all of it as JSON. The rest is "
    "random.",
)
@click.option(
    "--id",
    "event_id",
    metavar="ID",
    help="The event's id, a new one by default. The same id sends the same event again.",
)
@click.option("--catalog", metavar="FILE", help="A catalog to use instead of the bundled one.")
@click.option(
    "--secret-encoding",
    default="every",
    show_default=True,
    type=click.Choice(["every", "hex", "base64", "text"]),
    help="How the secret becomes a key.",
)
@click.option("--curl", is_flag=True, help="Print a curl command instead, good for 5 minutes.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: what was sent and answered."
)
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
    as_json: bool,
) -> None:
    """Sign an event of a TYPE and send it, without a sandbox.

    Prints the event's type and id, the URL, and what the receiver answered. Exits 0 if a receiver
    of this package answered with a 2xx, else 1. The payload follows from TYPE, --id and --data:
    sent again with the id that was printed, it is the same event, and the receiver answers
    `duplicate`.
    """
    # Not for a help.
    from coffrify_webhooks_sandbox.address import check_url
    from coffrify_webhooks_sandbox.errors import SandboxError
    from coffrify_webhooks_sandbox.signing import sign_delivery

    if curl and as_json:
        raise click.UsageError("--curl and --json exclude each other")
    first = _usable(secret, secret_encoding)
    given = payload(data)
    event_id = event_id or _new_id()
    try:
        check_url(url, ("*",))
        body = _body(event_type, event_id, catalog, given.data, given.fields)
    except SandboxError as error:
        raise Unusable(str(error)) from None
    headers = {
        "Content-Type": "application/json",
        **sign_delivery(body, [first], event_id, time.time(), cast("Any", secret_encoding)),
    }
    if curl:
        from coffrify_webhooks.web.curl import curl_command

        click.echo(curl_command(url, headers, body))
        return
    if not as_json:
        click.echo(f"{event_type} {event_id} to {url}")
    from .post import post

    response = post(url, headers, body)
    answer = None if response.status is None else read_answer(response.status, response.body)
    if as_json:
        sent = {"type": event_type, "id": event_id, "url": url}
        click.echo(json.dumps(sent | _as_json(response, answer)))
    else:
        _show(response, answer)
    if not answer or response.status != _SUCCESS:
        raise SystemExit(1)


def _usable(secret: str | None, encoding: str) -> str:
    """Return the secret to sign with, the first of several."""
    from coffrify_webhooks_sandbox.signing import readings

    first = (secret or "").partition(",")[0].strip()
    if not first:
        raise ConfigurationError(
            f"there is no secret to sign with; pass --secret, or set {SECRET_VARIABLE}"
        )
    try:
        readings(first, cast("Any", encoding))
    except ConfigurationError as error:
        raise Unusable(f"{error} (--secret-encoding {encoding})") from None
    return first


def _new_id() -> str:
    """Return a UUID of version 7, which begins with the time."""
    rest = uuid.uuid4().int & ((1 << 76) - 1)
    return str(uuid.UUID(int=round(time.time() * 1000) << 80 | 7 << 76 | rest))


def _time_of(event_id: str) -> float:
    """Return the time in an id of ours, so that the same id always makes the same payload."""
    try:
        found = uuid.UUID(event_id)
    except ValueError:
        return _ANY_TIME
    return (found.int >> 80) / 1000 if found.version == _WITH_TIME else _ANY_TIME


def _body(
    event_type: str, event_id: str, catalog: str | None, data: Any, fields: Mapping[str, Any]
) -> bytes:
    with needs("cli"):
        if find_spec("jsonschema") is None:  # below, the extra `sandbox` would be named
            raise ModuleNotFoundError(name="jsonschema")
        from coffrify_webhooks_sandbox.event_types import EventTypes

    from random import Random

    from coffrify_webhooks_sandbox.views import encode_json, event_body, set_fields

    types = EventTypes(catalog)
    if data is None:
        random = Random(f"{event_type} {event_id}")  # noqa: S311 - not a secret
        data = types.make(event_type, _time_of(event_id), random)
    data = set_fields(data, fields)
    types.check(event_type, data)
    return encode_json(event_body(event_id, event_type, data))


def _show(response: Response, answer: Answer | None) -> None:
    took = f"in {response.seconds * 1000:.0f} ms"
    if response.status is None:
        click.echo(f"no answer: {response.error} ({took}); is the application running there?")
        return
    told = f" {answer}" if answer else ", not in the form of this package's receivers,"
    click.echo(f"{response.status}{told} {took}")
    text = answer.message if answer else response.body.decode("utf-8", "backslashreplace")
    if not answer:
        click.echo(_ANOTHER)
        title = _TITLE.search(text)  # of a page for browsers, which is long
        text = title[1].strip() if title else text
    if text:
        click.echo(printable(text)[:2000])


def _as_json(response: Response, answer: Answer | None) -> dict[str, Any]:
    """Return the reply; a stranger's body is not in it."""
    return {
        "status": response.status,
        "outcome": answer.outcome if answer else None,
        "code": (answer.code or None) if answer else None,
        "message": (answer.message or None) if answer else None,
        "error": response.error or None,
        "seconds": round(response.seconds, 6),
    }
