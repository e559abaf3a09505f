"""The group of all commands."""

import click

from coffrify_webhooks import __version__

from .embedded import COMMANDS, HELP_OPTIONS
from .lazy import LazyCommand, LazyGroup

__all__ = ["commands"]

_HERE = __name__.rpartition(".")[0]
_ALONE: dict[str, LazyCommand] = {
    "codegen": LazyCommand(
        f"{_HERE}.codegen:codegen", "Write one typed class per event of the catalog."
    ),
    "demo": LazyCommand(f"{_HERE}.demo:demo", "Watch signed webhooks arrive in real servers."),
    "sandbox": LazyCommand(
        f"{_HERE}.sandbox:sandbox", "Run Coffrify's sending side on this machine."
    ),
    "send": LazyCommand(f"{_HERE}.send:send", "Send one signed delivery, without a server."),
    "trigger": LazyCommand(f"{_HERE}.trigger:trigger", "Trigger an event in a running sandbox."),
}


@click.group(cls=LazyGroup, lazy={**COMMANDS, **_ALONE}, context_settings=HELP_OPTIONS)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Verify, deduplicate and handle Coffrify webhooks.

    \b
    Example: coffrify-webhooks send transfer.created --to http://127.0.0.1:8000/webhooks/coffrify

    Exits 0 on success, 1 if the command failed or found something, 2 for a
    mistake in the command or the set-up, 130 if Ctrl-C ended it.
    """
