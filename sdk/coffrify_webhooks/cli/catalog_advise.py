"""`coffrify-webhooks catalog advise`: what a change of the catalog breaks in a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

from .failure import printable
from .source import receiver_for

if TYPE_CHECKING:
    from coffrify_webhooks_codegen.advice import Advice

__all__ = ["advise"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    short_help="Show what a change of the catalog breaks in your handlers.",
    epilog="Example: coffrify-webhooks catalog advise old.json new.json --app app",
)
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--app", metavar="MODULE[:NAME]", help="Where your Receiver is; see `events --help`.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def advise(obj: object, old: Path, new: Path, *, app: str | None, as_json: bool) -> None:
    """Say which lines of your handlers a change from the catalog OLD to NEW breaks, and why.

    Your own type checker, mypy or pyright, whichever is installed, runs on a copy of your code with
    the classes of OLD and of NEW, by your settings; errors that occur only with NEW are reported.
    Handlers whose event has no annotation are analysed instead, for the changed parts that they
    use. Your code is not changed. Exits 0 if nothing breaks, else 1.
    """
    with needs("codegen"):
        from coffrify_webhooks_codegen import catalog
        from coffrify_webhooks_codegen.advice import advise as run
        from coffrify_webhooks_codegen.advice.checkers import checker_here
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.testing import isolated

    with isolated():  # so that the application needs no secret to be imported
        receiver = receiver_for(obj, app) or Receiver()
        router = receiver.router
    checker = checker_here()
    if checker is None:
        click.echo(
            "no type checker is installed here (pip install mypy, or pyright), so the handlers "
            "were only searched for uses of what has changed",
            err=True,
        )
    try:
        advice = run(catalog.load(old), catalog.load(new), router, checker, _tell)
    except (catalog.CatalogError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    for name in advice.unread:
        click.echo(printable(f"{name}: its source was not found"), err=True)
    click.echo(_json(advice) if as_json else printable(_text(advice)))
    if advice.findings:
        raise SystemExit(1)


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(text, err=True)


def _json(advice: Advice) -> str:
    document = {
        "checker": advice.checker,
        "handlers": advice.handlers,
        "unread": list(advice.unread),
        "findings": [each.as_json() for each in advice.findings],
    }
    return json.dumps(document, indent=2)


def _text(advice: Advice) -> str:
    lines: list[str] = []
    for each in advice.findings:
        lines.append(f"{_short(each.file)}:{each.line}: {each.text}")
        lines += [
            f"    {change.event}: {f'{change.path}: ' * bool(change.path)}{change.kind}: "
            f"{change.text}"
            for change in each.reasons
        ]
    count = len(advice.findings)
    places = "nothing breaks" if not count else f"{count} place{'s' * (count > 1)} would break"
    return "\n".join([*lines, f"{places} in {advice.handlers} handlers"])


def _short(file: Path) -> Path:
    here = Path.cwd().resolve()
    return file.relative_to(here) if file.is_relative_to(here) else file
