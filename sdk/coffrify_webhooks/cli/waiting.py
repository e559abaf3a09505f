"""Says why a command takes its time."""

import click

__all__ = ["tell_wait"]


def tell_wait(why: str, seconds: float) -> None:
    """Write to stderr why nothing happens, and for how long."""
    click.echo(f"{why}; trying again in {seconds:.1f} s", err=True)
