"""A run that handles many events again, and counts the outcomes."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from coffrify_webhooks.errors import (
    Busy,
    ConfigurationError,
    DispatchError,
    HandlerError,
    StoreUnavailable,
    WebhookError,
)
from coffrify_webhooks.stores.record import plain

from .events_find import display_name
from .stopping import STOPPED, stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record, Status

__all__ = ["replay_all"]

Result: TypeAlias = Literal["handled", "failed", "queued", "skipped"]

_RESULTS: tuple[Result, ...] = ("handled", "failed", "queued", "skipped")
_COUNTED: dict[Outcome, tuple[Result, str]] = {
    "handled": ("handled", ""),
    "queued": ("queued", ""),
    "ignored": ("skipped", "no handler wants it"),
    "superseded": ("skipped", "a newer event of its object was handled"),
}
_SOON = 10
"""Up to here it is over before anyone could read a progress bar."""
_SHOWN = 20


def replay_all(
    receiver: Receiver, records: list[Record], statuses: tuple[Status, ...], *, as_json: bool
) -> None:
    """Replay the records in their order, and tell the outcomes.

    statuses: leave out those that have another by then; none if they were named. A handler's error
    does not stop the run; that there is no store or no engine does. Exits 1 if any failed.
    as_json: print each event and its result, and tell all else on stderr.
    """
    counts: Counter[Result] = Counter()
    reasons: list[str] = []
    try:
        with _without_tracebacks(), stopping() as stop, _progress(len(records)) as step:
            for record in records:
                if stop.is_set():
                    break
                result, why = _replay(_rename(receiver, record.receiver), record, statuses)
                counts[result] += 1
                if as_json:
                    click.echo(json.dumps(_as_json(record, result, why)))
                elif why:
                    reasons.append(f"{display_name(record)} {result}: {why}")
                step()
    finally:
        left = len(records) - counts.total()
        for line in reasons[:_SHOWN]:
            click.echo(plain(line, 1000), err=True)
        if len(reasons) > _SHOWN:
            click.echo(f"... and {len(reasons) - _SHOWN} more", err=True)
        text = ", ".join(f"{counts[each]} {each}" for each in _RESULTS)
        click.echo(f"{text}; {left} not tried" if left else text, err=as_json)
    if left:
        raise SystemExit(STOPPED)
    if counts["failed"]:
        raise SystemExit(1)


def _as_json(record: Record, result: Result, why: str) -> dict[str, str | None]:
    return {
        "id": record.id,
        "type": record.type,
        "receiver": record.receiver,
        "key": record.key,
        "result": result,
        "reason": why or None,
    }


def _rename(receiver: Receiver, name: str) -> Receiver:
    """Return a receiver like this one, of the name that the event's key was made with."""
    if plain(receiver.name) == name:
        return receiver
    other = copy(receiver)
    other.name = name
    return other


def _replay(receiver: Receiver, record: Record, statuses: tuple[Status, ...]) -> tuple[Result, str]:
    now = receiver.store.get(record.key)
    if now is None or (statuses and now.status not in statuses):
        return "skipped", f"it is {now.status if now else 'forgotten'} meanwhile"
    try:
        outcome = receiver.replay(now)
    except Busy as error:
        return "skipped", str(error)
    except (ConfigurationError, DispatchError, StoreUnavailable):
        raise
    except HandlerError as error:
        return "failed", error.reason
    except WebhookError as error:
        return "failed", str(error)
    return _COUNTED.get(outcome, ("skipped", "it was handled meanwhile"))


@contextmanager
def _without_tracebacks() -> Generator[None]:
    """Keep what handlers raise off the terminal, unless the application logs to it."""
    logger, handler = logging.getLogger("coffrify_webhooks"), logging.NullHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _progress(events: int) -> Generator[Callable[[], None]]:
    """Show a bar on stderr while many events are handled."""
    if events <= _SOON:
        yield lambda: None
        return
    with click.progressbar(length=events, label=f"{events} events", file=sys.stderr) as bar:
        yield lambda: bar.update(1)
