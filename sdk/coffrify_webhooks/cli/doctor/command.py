"""`coffrify-webhooks doctor`: why a request is refused, or what the set-up lacks."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from coffrify_webhooks.cli.application import APP_HELP, LOOKED_FOR
from coffrify_webhooks.cli.failure import printable
from coffrify_webhooks.cli.source import embedded_source, receiver_for
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.signature.secret import SECRET_VARIABLE

if TYPE_CHECKING:
    from coffrify_webhooks.doctor import Diagnosis
    from coffrify_webhooks.receiver import Receiver

    from .recorded import Recorded

__all__ = ["doctor"]

_LARGEST = 64 << 20
_FRAMEWORKS = ("django", "fastapi", "flask", "starlette")


class _Subject(NamedTuple):
    """Whose secrets are meant, and the framework in use."""

    secrets: Any
    others: Any = None
    receiver: Receiver | None = None

    @property
    def framework(self) -> str:
        """The framework whose adapter the application has imported, or an empty text."""
        if self.receiver is None:
            return ""
        own = type(self.receiver).__module__
        adapters = [f"coffrify_webhooks_{name}" for name in _FRAMEWORKS]
        used = next((each for each in adapters if own.startswith(each)), None)
        used = used or next((each for each in adapters if each in sys.modules), "")
        return used.removeprefix("coffrify_webhooks_")


@click.command(
    short_help="Explain why a request is refused, or check the set-up.",
    epilog="Example: coffrify-webhooks doctor --request request.txt --app myapp.webhooks",
)
@click.option(
    "--request",
    "file",
    metavar="FILE",
    help="The refused request; - reads it from the standard input. A raw HTTP request, a curl "
    "command, JSON (headers, body or body_base64, method, received_at), a HAR file or entry, or "
    "an event of API Gateway or a load balancer.",
)
@click.option(
    "--last",
    metavar="[N]",
    type=click.IntRange(min=1),
    is_flag=False,
    flag_value=1,
    help="The most recently refused request, or the Nth most recent, of --app or of the program "
    "here. Receiver(capture=20) keeps them.",
)
@click.option(
    "--secret",
    metavar="S",
    help=f"The endpoint's secret, as it is set; by default that of --app, or {SECRET_VARIABLE}. "
    "Other users can see a command line, so prefer the variable.",
)
@click.option("--app", metavar="MODULE[:NAME]", help=f"{APP_HELP} {LOOKED_FOR}")
@click.option("--url", metavar="URL", help="The receiver's URL, to which a signed ping is sent.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--show-body", is_flag=True, help="Print the request's body too, as it was read.")
@click.pass_obj
def doctor(
    obj: object,
    *,
    file: str | None,
    last: int | None,
    secret: str | None,
    app: str | None,
    url: str | None,
    as_json: bool,
    show_body: bool,
) -> None:
    """Explain why a request is refused; without one, check the set-up.

    A cause is called proven if the request verifies once it is undone. Without a request, the
    secret, the store, the engine, the handlers, the address and the clock are checked. Secrets
    are never printed. Exits 0 if no cause was found, 1 if one was, 2 if the command cannot be run.
    """
    if file is not None and last is not None:
        raise click.UsageError("--request and --last exclude each other")
    if file is None and last is None:
        if show_body:
            raise click.UsageError("--show-body shows a request's body: --request FILE, --last")
        from .setup import check_setup

        raise SystemExit(check_setup(secret, app, url, _embedded(obj, app), as_json=as_json))
    if url is not None:
        raise click.UsageError("--url belongs to the check of the set-up, without --request")
    from coffrify_webhooks.doctor.examine import examine

    from .last import last_refused
    from .recorded import read_request

    receiver = _embedded(obj, app)
    if file is not None:
        recorded = read_request(_read(file))
    else:
        receiver = receiver_for(obj, app)
        if receiver is None:
            raise ConfigurationError(f"--app {app}: there is no Receiver in it; name one")
        recorded = last_refused(receiver, last or 1)
        app = None
    subject = _subject_of(secret, app, receiver)
    verifier = subject.receiver.verifier if subject.receiver is not None else None
    settings: dict[str, Any] = {}
    if verifier is not None:
        settings = {"tolerance": verifier.tolerance, "schemes": verifier.schemes}
    found = examine(
        recorded.body,
        recorded.headers,
        subject.secrets,
        method=recorded.method,
        now=recorded.received_at if recorded.received_at is not None else time.time(),
        others=subject.others,
        **settings,
    )
    _print(found, recorded if show_body else None, subject.framework, as_json=as_json)
    raise SystemExit(0 if found.accepted else 1)


def _embedded(obj: object, app: str | None) -> Receiver | None:
    """Return the Receiver of a program that offers this command among its own."""
    source = embedded_source(obj)
    if source is not None and app:
        raise click.UsageError("--app is determined by your settings here")
    return source.receiver if source is not None else None


def _subject_of(secret: str | None, app: str | None, embedded: Receiver | None) -> _Subject:
    """Return the secrets to verify with, and those of whoever else may have signed."""
    from coffrify_webhooks.cli.application import receiver_of
    from coffrify_webhooks.signature.secret import seal

    here = [each.strip() for each in os.environ.get(SECRET_VARIABLE, "").split(",") if each.strip()]
    receiver = embedded if app is None else receiver_of(app)
    if app is not None and receiver is None:
        raise ConfigurationError(f"--app {app}: there is no Receiver in it; name one")
    own = None if receiver is None else list(receiver.verifier.keyring().secrets)
    known = [each for each in ([secret] if secret else None, own, here or None) if each]
    if not known:
        raise ConfigurationError(
            f"which secret? Set {SECRET_VARIABLE}, or name your application: --app myapp.webhooks"
        )
    others = [each for several in known[1:] for each in several]
    return _Subject(seal(known[0]), seal(others or None), receiver)


def _read(file: str) -> bytes:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigurationError(
            f"--request {file}: {reason}; name a file, or - for stdin"
        ) from None
    if len(data) > _LARGEST:
        raise ConfigurationError(f"--request {file}: it has more than {_LARGEST >> 20} MiB")
    if not data.strip():
        raise ConfigurationError(f"--request {file}: it is empty")
    return data


def _print(found: Diagnosis, shown: Recorded | None, framework: str, *, as_json: bool) -> None:
    from coffrify_webhooks.doctor.causes import fix_for

    body = None if shown is None else shown.body.decode("utf-8", "backslashreplace")
    if as_json:
        result = found.as_json()
        for each, cause in zip(result["causes"], found.causes, strict=True):
            each["fix"] = fix_for(cause, framework)
        if body is not None:
            result["body"] = body
        click.echo(json.dumps(result, indent=2))
        return
    click.echo("accepted" if found.accepted else "refused")
    for cause in found.causes:
        click.echo(f"\n{cause.code} ({cause.certainty})\n  {cause.message}")
        click.echo(f"  Fix: {fix_for(cause, framework)}")
    if found.facts:
        click.echo("\nfacts")
    for fact in found.facts:
        click.echo(f"  {printable(fact)}")
    if body is not None:
        click.echo(f"\nbody\n{printable(body)}")
