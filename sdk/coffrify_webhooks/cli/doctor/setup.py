"""The check of a set-up: secret, store, engine, handlers, address and clock."""

from __future__ import annotations

import json
import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import click

from coffrify_webhooks.cli.answer import read_answer
from coffrify_webhooks.cli.failure import printable
from coffrify_webhooks.cli.post import Response, post
from coffrify_webhooks.cli.source import find_receiver
from coffrify_webhooks.errors import ConfigurationError, WebhookError
from coffrify_webhooks.signature import Secret, sign
from coffrify_webhooks.signature.secret import SECRET_VARIABLE
from coffrify_webhooks.signature.window import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coffrify_webhooks.receiver import Receiver

__all__ = ["check_setup"]

_OK = 200
_ANY_KEY = "0" * 64
_BUILT = 1_764_000_000
"""November 2025: a clock that shows an earlier time is wrong."""
_ANSWERS = {
    301: "it redirects, and the sender follows no redirects; give the address that it names",
    302: "it redirects, often to a login; exempt the path from it",
    307: "it redirects, and the sender follows no redirects; give the address that it names",
    308: "it redirects, often for a slash at the end; give the address that it names",
    401: "something in front asks for credentials; exempt the path from it",
    403: "something in front refuses it, such as a firewall or a check of CSRF; exempt the path",
    404: "no endpoint of this package listens there; check the path and the prefix of the mount",
    405: "something else answers there, without POST; check the path",
    413: "something in front refuses bodies of this size",
    502: "the proxy in front cannot reach the application",
    504: "the proxy in front gave up waiting for the application",
}


class _Check(NamedTuple):
    name: str
    state: str
    """ "ok", "failed" or "skipped"."""
    message: str


def check_setup(
    secret: str | None,
    app: str | None,
    url: str | None,
    embedded: Receiver | None,
    *,
    as_json: bool,
) -> int:
    """Print what works and what does not; return the exit code."""
    checks = list(_checks(secret, app, url, embedded))
    healthy = all(each.state != "failed" for each in checks)
    if as_json:
        found = [each._asdict() for each in checks]
        click.echo(json.dumps({"healthy": healthy, "checks": found}, indent=2))
    else:
        for each in checks:
            click.echo(f"{each.state:<8} {each.name:<9} {printable(each.message)}")
    return 0 if healthy else 1


def _checks(
    secret: str | None, app: str | None, url: str | None, embedded: Receiver | None
) -> Iterator[_Check]:
    here = [each.strip() for each in os.environ.get(SECRET_VARIABLE, "").split(",") if each.strip()]
    given = [secret] if secret else here
    fault = _fault_of(given)
    receiver = embedded
    if receiver is None and not fault:
        receiver = find_receiver(app)  # with an unusable secret it cannot be made
        if receiver is None and app is not None:
            raise ConfigurationError(f"--app {app}: there is no Receiver in it; name one")
    yield _secret(given, fault, receiver)
    if receiver is None:
        why = "set the secret first" if fault else "name your application: --app myapp.webhooks"
        for name in ("store", "engine", "handlers"):
            yield _Check(name, "skipped", why)
    else:
        yield _store(receiver.store)
        yield _engine(receiver)
        yield _handlers(receiver)
    secrets: list[Any] = list(given)
    if receiver is not None and not secret:
        secrets = list(receiver.verifier.keyring().secrets)
    yield from _address(url, None if fault or not secrets else secrets[0])


def _fault_of(given: list[str]) -> str:
    for each in given:
        try:
            Secret(each)
        except ConfigurationError as error:
            return str(error)
    return ""


def _secret(given: list[str], fault: str, receiver: Receiver | None) -> _Check:
    if fault:
        return _Check("secret", "failed", fault)
    if receiver is not None:
        try:
            count = len(receiver.verifier.keyring().secrets)
        except WebhookError as error:
            return _Check("secret", "failed", f"{error}: {getattr(error, 'reason', '')}")
        return _Check("secret", "ok", f"{count} of the application")
    if given:
        return _Check("secret", "ok", f"{len(given)} given by {SECRET_VARIABLE} or --secret")
    return _Check("secret", "failed", f"there is none; set {SECRET_VARIABLE}")


def _store(store: Any) -> _Check:
    kind = type(store).__name__
    path = getattr(store, "path", None)
    if isinstance(path, Path) and not path.exists():
        where = path.parent
        if os.access(where, os.W_OK):
            return _Check("store", "ok", f"{kind}; the first delivery creates its file")
        return _Check("store", "failed", f"{kind}: {where} does not exist, or cannot be written")
    try:
        store.get(_ANY_KEY)
    except Exception as error:  # of any driver
        told = str(error) if isinstance(error, WebhookError) else type(error).__name__
        return _Check("store", "failed", f"{kind} did not answer: {told}")
    if kind == "MemoryStore":
        return _Check("store", "ok", f"{kind}: visible to one process only, and lost when it ends")
    return _Check("store", "ok", f"{kind} answers")


def _engine(receiver: Receiver) -> _Check:
    if receiver.dispatcher is None:
        return _Check("engine", "ok", "none: handlers run while the sender waits")
    kind = type(receiver.dispatcher).__name__
    return _Check("engine", "ok", f"{kind}; events wait until its worker runs")


def _handlers(receiver: Receiver) -> _Check:
    count = len(receiver.router)
    if not count:
        return _Check("handlers", "failed", f"none is registered; {receiver.handlers_hint}")
    return _Check("handlers", "ok", f"{count} registered")


def _address(url: str | None, secret: Any) -> Iterator[_Check]:
    if url is None or secret is None:
        why = "name where your receiver listens: --url" if url is None else "set the secret first"
        yield _Check("address", "skipped", why)
        yield _clock(None)
        return
    from coffrify_webhooks_sandbox.address import check_url
    from coffrify_webhooks_sandbox.errors import SandboxError

    try:
        check_url(url, ("*",))
    except SandboxError as error:
        raise ConfigurationError(str(error)) from None
    event_id = str(uuid4())
    body = json.dumps({"id": event_id, "type": "ping", "data": {}}, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Coffrify-Test-Delivery": "true",
        **sign(body, secret, id=event_id),
    }
    response = post(url, headers, body)
    yield _answer(response)
    yield _clock(response.date)


def _answer(response: Response) -> _Check:
    if response.status is None:
        return _Check(
            "address", "failed", f"no answer: {response.error}; is the application running there?"
        )
    answer = read_answer(response.status, response.body)
    if answer is None:
        why = _ANSWERS.get(response.status, "another part of the application, or another server")
        return _Check("address", "failed", f"{response.status}, not by this package: {why}")
    if response.status == _OK:
        took = f"{response.seconds * 1000:.0f} ms"
        return _Check("address", "ok", f"a signed ping was answered {answer} in {took}")
    return _Check("address", "failed", f"{response.status} {answer}: {answer.message}")


def _clock(date: str | None) -> _Check:
    now = time.time()
    if now < _BUILT:
        return _Check("clock", "failed", "this machine's clock is years behind; set it by NTP")
    try:
        apart = now - parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return _Check("clock", "skipped", "nothing to compare it with; make sure that NTP sets it")
    if abs(apart) >= TOLERANCE:
        where = "ahead of" if apart > 0 else "behind"
        says = f"{abs(apart):.0f} s {where} the server's; set both by NTP"
        return _Check("clock", "failed", says)
    return _Check("clock", "ok", "it agrees with the server's Date header")
