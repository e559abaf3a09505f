"""How a command ends that cannot do what was asked: one line on stderr, and an exit code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import NoArgsIsHelpError

from coffrify_webhooks.errors import ConfigurationError, StoreUnavailable, WebhookError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["STOPPED", "Failed", "Group", "Stopped", "Unusable", "did_you_mean", "printable"]

STOPPED = 130
"""The exit status of a program that Ctrl-C has stopped, as shells report it."""


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
    """Tells an error in one line that names the remedy; see "Exit codes" in the docs.

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
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _in_one_line(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _in_one_line(error) from error
        except ConfigurationError as error:
            raise Unusable(printable(error)) from error
        except StoreUnavailable as error:
            # Not 1: a monitor has to tell what was found from what could not be looked at.
            why = "check that its server or file can be used from here, and try again"
            raise Unusable(f"{printable(error)}; {why}") from error
        except KeyboardInterrupt:
            click.echo("\nAborted!", err=True)
            raise click.exceptions.Exit(STOPPED) from None
        except WebhookError as error:
            raise Failed(printable(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = did_you_mean(args[0], self.list_commands(ctx)) if args else ""
            if not near or "did you mean" in str(error).lower():
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}{near}", ctx) from None


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return "; did you mean ...?" with the names that are nearest, or an empty text."""
    from difflib import get_close_matches  # not for a help

    near = get_close_matches(name, known, n=3, cutoff=cutoff)
    return f"; did you mean {' or '.join(map(printable, near))}?" if near else ""


def _in_one_line(error: click.UsageError) -> click.ClickException:
    """Return a mistake in a command's arguments as one line; click writes four."""
    if error.ctx is None or isinstance(error, NoArgsIsHelpError):
        return error
    said = printable(" ".join(error.format_message().split())).rstrip(".")
    return Unusable(f"{said} (help: {error.ctx.command_path} --help)")


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
