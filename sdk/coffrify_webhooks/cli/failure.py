"""How a command ends that cannot do what was asked: one line on stderr, and an exit code."""

import os
from difflib import get_close_matches
from typing import Any

import click

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable, WebhookError

__all__ = ["STOPPED", "Failed", "Group", "Stopped", "Unusable", "printable"]

STOPPED = 130
"""What a shell says of a program that Ctrl-C has stopped."""


class Failed(click.ClickException):
    """What was asked did not work out this time."""

    exit_code = 1


class Unusable(click.ClickException):
    """What was asked cannot be done here; the text says why."""

    exit_code = 2


class Stopped(click.ClickException):
    """Ctrl-C came in the middle of what cannot be taken back; the text says what is not known."""

    exit_code = STOPPED


class Group(click.Group):
    """Tells an error of ours in one line; a mistake in the setup exits 2 as one in arguments.

    A command that there is none of is answered by the nearest that there are. Colours are for
    terminals; NO_COLOR forbids them there, FORCE_COLOR asks for them everywhere.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if parent is None:
            extra.setdefault("color", _wants_colour())
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Unusable(printable(error)) from error
        except StoreUnavailable as error:
            why = "see that its server or file can be used from here, and try again"
            raise Failed(f"{printable(error)}; {why}") from error
        except WebhookError as error:
            raise Failed(printable(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.list_commands(ctx)) if args else []
            if not near or "did you mean" in str(error).lower():
                raise
            known = f"{error.message.rstrip('.')}; did you mean {' or '.join(near)}?"
            raise click.UsageError(known, ctx) from None


def _wants_colour() -> bool | None:
    """Return what the environment says of colours; None if that is for the terminal to tell."""
    if os.environ.get("NO_COLOR"):
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def printable(said: object) -> str:
    """Escape what would steer a terminal: a message may quote a stranger's file."""
    return "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in str(said)
    )
