"""What the commands about endpoints share: the API, the choice of an endpoint, confirmations."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from coffrify_webhooks.cli.failure import Stopped, printable
from coffrify_webhooks.cli.waiting import tell_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coffrify_webhooks.receiver import Receiver

__all__ = [
    "confirm",
    "endpoint_option",
    "handlers_of",
    "takes_api",
    "unsure_if_stopped",
    "yes_option",
]

_Option: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"
endpoint_option: _Option = click.option(
    "--endpoint",
    metavar="ID",
    help="The endpoint's id, URL or name; required if there are several.",
)
yes_option: _Option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def takes_api() -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that name the API, and the endpoints as its first argument."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--api-key", help="Prefer COFFRIFY_API_KEY: other users can see a command line."
        )
        @click.option("--api-url", help="By default, COFFRIFY_API_URL or the vendor's address.")
        @wraps(command)
        def with_api(*args: Any, api_key: str | None, api_url: str | None, **options: Any) -> None:
            from coffrify_webhooks.management.api import ManagementApi
            from coffrify_webhooks.management.endpoints import Endpoints

            api = ManagementApi(api_key, api_url, on_wait=tell_wait)
            command(Endpoints(api), *args, **options)

        return with_api

    return decorate


def handlers_of(obj: object, app: str | None) -> Receiver | None:
    """Return the Receiver that has the handlers; it needs no secret, which may be made only now."""
    from coffrify_webhooks.cli.source import receiver_for
    from coffrify_webhooks.testing import isolated

    with isolated():
        return receiver_for(obj, app)


@contextmanager
def unsure_if_stopped(what: str) -> Generator[None]:
    """Wraps a change: if the command is stopped meanwhile, its error says what is not known."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(printable(f"stopped: {what}")) from None


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; anything but yes ends the command."""
    if not yes:
        click.confirm(question, abort=True, err=True)
