"""`manage.py coffrify_webhooks`: what `coffrify-webhooks events` does, on Django's receiver."""

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

__all__ = ["Command"]


class Command(BaseCommand):
    """Hands the arguments to the commands of the package, with the receiver of the settings."""

    help = "Look after the webhook events that came: events, show, replay, forget, purge, stats."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take everything as it is; `coffrify_webhooks events --help` says what there is."""
        parser.add_argument(
            "command",
            choices=("events", "list", "show", "replay", "forget", "purge", "stats"),
            help="what to do; `events` lists them, and --help after it tells more",
        )
        parser.add_argument("arguments", nargs=REMAINDER, help="what the command takes")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the command; its errors become Django's."""
        try:
            with needs("cli"):
                import click  # noqa: PLC0415
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        from coffrify_webhooks.cli.events import events  # noqa: PLC0415
        from coffrify_webhooks.cli.source import Source  # noqa: PLC0415

        receiver = current_endpoint().receiver
        command = [] if options["command"] == "events" else [options["command"]]
        try:
            with redirect_stdout(options.get("stdout") or sys.stdout):
                code = events.main(
                    [*command, *options["arguments"]],
                    prog_name="manage.py coffrify_webhooks",
                    standalone_mode=False,
                    obj=Source(receiver.store, receiver),
                )
        except click.Abort:
            raise CommandError("aborted") from None
        except click.ClickException as error:
            raise CommandError(error.format_message(), returncode=error.exit_code) from error
        if code:  # of click's `ctx.exit`
            sys.exit(code)
