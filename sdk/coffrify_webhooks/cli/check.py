"""`coffrify-webhooks check`: runs each handler with all that its events may become."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout

import click

from .application import APP_HELP, LOOKED_FOR
from .failure import printable
from .source import receiver_for

__all__ = ["check"]


@click.command(
    short_help="Run each handler with variations of its events.",
    epilog="Example: coffrify-webhooks check --app myapp.webhooks",
)
@click.option(
    "--app",
    metavar="MODULE[:NAME]",
    help=f"{APP_HELP} A module that only registers handlers will do as well. {LOOKED_FOR}",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="How many random bodies each handler gets; needs Hypothesis.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def check(obj: object, *, app: str | None, examples: int, as_json: bool) -> None:
    """Run each handler with its events and their possible variations.

    Bodies that the catalog's schema allows, and then: an unknown field, a missing one, null,
    another type, an unknown value; each event twice. Exits 0 if no handler fails, else 1. Neither
    a secret nor a store is needed. The handlers really run, so give them access to test resources
    only.
    """
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.testing import check_handlers, isolated

    with isolated():  # from here on, so that the application needs no secret to be imported
        # A module that only registers handlers has none.
        receiver = receiver_for(obj, app) or Receiver()
        # What handlers print is no part of the report, which is read by programs too.
        with _progress() as progress, redirect_stdout(sys.stderr):
            report = check_handlers(receiver, examples=examples, progress=progress)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        click.echo(printable(report))
    if not report.ok:
        raise SystemExit(1)


@contextmanager
def _progress() -> Generator[Callable[[int, int], None]]:
    """Show a bar on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label="handlers", file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield show
