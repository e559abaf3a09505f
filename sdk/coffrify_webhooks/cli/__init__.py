"""The command `coffrify-webhooks`."""

import sys

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

__all__ = ["main"]


def main() -> None:
    """Run the command, or say what it needs to be installed."""
    try:
        with needs("cli"):
            import click as click
        from .group import commands
    except ConfigurationError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:  # before click, which says the same, is there
        sys.stderr.write("\nAborted!\n")
        sys.exit(130)
    commands(prog_name="coffrify-webhooks")
