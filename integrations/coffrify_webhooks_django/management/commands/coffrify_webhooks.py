"""`manage.py coffrify_webhooks`: what `coffrify-webhooks` does, on the receiver of the settings."""

from __future__ import annotations

import sys
from argparse import REMAINDER
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks_django.conf import current_endpoint

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from coffrify_webhooks.cli.source import Source

__all__ = ["Command"]

_COMMANDS = (
    *("catalog", "check", "doctor", "endpoints", "events", "inbox", "keys"),
    *("reconcile", "store", "sweep", "worker"),
)
_ONCE = ("list", "show", "replay", "forget", "purge", "stats")
"""What stood without `events` before it."""


class Command(BaseCommand):
    """Hands the arguments to the commands of the package, with the receiver of the settings."""

    help = (
        "Manage webhook events (events list, show, replay, forget, purge, stats), create their "
        "store (store init), check the handlers and the set-up (doctor), run the engine's worker, "
        "dispatch again what the engine has lost (sweep), request missed events from the sender "
        "(reconcile), manage its endpoints (endpoints), look at events in a browser (inbox), "
        "compare catalogs and list what has drifted (catalog), show when each secret was last used "
        "(keys)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take everything as it is; `coffrify_webhooks events --help` says what there is."""
        parser.add_argument(
            "command",
            choices=(*_COMMANDS, *_ONCE),
            metavar=f"{{{','.join(_COMMANDS)}}}",
            help="what to do; `events` lists them, and --help after it tells more",
        )
        parser.add_argument("arguments", nargs=REMAINDER, help="what the command takes")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command; its errors become Django's."""
        try:
            with needs("django"):
                import click
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        from coffrify_webhooks.cli.embedded import embedded

        arguments: list[str] = [options["command"], *options["arguments"]]
        if arguments[0] in _ONCE:
            self.stderr.write(f"{arguments[0]!r} is now called: events {arguments[0]}")
            arguments.insert(0, "events")
        try:
            with redirect_stdout(options.get("stdout") or sys.stdout):
                code = embedded.main(
                    arguments,
                    prog_name="manage.py coffrify_webhooks",
                    standalone_mode=False,
                    obj=_source,
                )
        except click.Abort:
            raise CommandError("aborted") from None
        except click.ClickException as error:
            raise CommandError(error.format_message(), returncode=error.exit_code) from error
        if code:  # of click's `ctx.exit`
            sys.exit(code)


def _source() -> Source:
    from coffrify_webhooks.cli.source import Source

    receiver = current_endpoint().receiver
    return Source(receiver.store, receiver)
