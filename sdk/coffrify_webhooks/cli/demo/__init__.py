"""`coffrify-webhooks demo`: real servers, real deliveries, and whether each promise was kept."""

import click

__all__ = ["demo"]


@click.command(
    short_help="Watch signed webhooks arrive in real servers.",
    epilog="Example: coffrify-webhooks demo",
)
def demo() -> None:
    """Let the sandbox send webhooks to Flask, Django and Starlette, and check what comes of each.

    Then let it send a slow one, which an engine handles, DBOS, and kill its worker with -9.

    Leaves a summary in coffrify-demo.md. Exits 0 if every outcome is the one promised, else 1.
    """
    from .command import run  # not for a help

    run()
