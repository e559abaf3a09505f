"""`coffrify-webhooks worker`: handles what the web process has handed to an engine."""

from __future__ import annotations

import logging
import os
import signal
import sys
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Any, Protocol, cast

import click

from coffrify_webhooks.errors import ConfigurationError

from .application import APP_HELP, LOOKED_FOR
from .duration import some_time
from .failure import printable
from .source import receiver_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.receiver import Receiver

__all__ = ["worker"]

_EXAMPLE = '"dbos+sqlite:///engine.db"'
_LEAST = 60.0
_THREE_DAYS = 3 * 86_400.0
"""As long as the sender tries by itself."""
_MERCY = 10.0
"""Seconds beyond the grace in which the engine itself must have shut down."""


class _Worker(Protocol):
    def work(self, receiver: Receiver, stop: Event, grace: float) -> bool: ...


@click.command(epilog="Example: coffrify-webhooks worker --app myapp.webhooks")
@click.option(
    "--app",
    metavar="MODULE[:NAME]",
    help=f"{APP_HELP} {LOOKED_FOR}",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=25.0,
    show_default=True,
    metavar="SECONDS",
    help="How long handlers that are running may go on after SIGTERM or Ctrl-C.",
)
@click.option(
    "--reconcile-every",
    type=some_time,
    metavar="AGE",
    help="How often to run `reconcile` for the last three days.",
)
@click.option(
    "--endpoint",
    metavar="ID",
    help="For --reconcile-every: the endpoint's id, URL or name; required if there are several.",
)
@click.pass_obj
def worker(
    source: object,
    app: str | None,
    grace: float,
    reconcile_every: float | None,
    endpoint: str | None,
) -> None:
    """Handle the events that the web process has handed to the engine.

    One worker serves one Receiver. It may be killed at any time: the next one continues with its
    events. A second signal stops it at once. If several workers reconcile, only one of them
    does it each time. The API's key is read from COFFRIFY_API_KEY.
    """
    receiver = _receiver(source, app)
    engine = _engine(receiver)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    click.echo(
        f"worker of {receiver.name!r}: engine {engine!r}, store {receiver.store!r}, "
        f"handlers: {len(receiver.router)}",
        err=True,
    )
    reconcile_until_stopped = (
        None if reconcile_every is None else _make_reconciler(reconcile_every, endpoint)
    )
    stop = _stop_by_signal(grace)
    if reconcile_until_stopped is not None:
        name = "coffrify-webhooks-reconcile"
        Thread(
            target=reconcile_until_stopped, args=(receiver, stop), name=name, daemon=True
        ).start()
    try:
        finished = engine.work(receiver, stop, grace)
    finally:
        receiver.store.close()
    if not finished:
        click.echo("stopped; the next worker restarts what was still running", err=True)
        _leave(1)  # an ordinary exit would wait for the threads that are still at it


def _receiver(obj: object, app: str | None) -> Receiver:
    found = receiver_for(obj, app)
    if found is None:
        raise ConfigurationError(f"--app {app}: there is no Receiver in this module")
    from coffrify_webhooks.dispatch.protocol import refuse_worker

    refuse_worker(found)
    return found


def _make_reconciler(interval: float, endpoint: str | None) -> Callable[[Receiver, Event], None]:
    """Return what reconciles until it is stopped; refuses at once what could never work."""
    from coffrify_webhooks.reconcile import CoffrifyHistory, HistoryError, reconcile_every

    if interval < _LEAST:
        raise ConfigurationError(f"--reconcile-every: give {_LEAST:g}s or more")
    history = CoffrifyHistory(endpoint=endpoint)
    try:
        history.find_endpoint()
    except HistoryError as error:  # the engine's work does not wait for the sender's API
        click.echo(printable(f"the endpoint to reconcile is looked for later: {error}"), err=True)

    def reconcile_until_stopped(receiver: Receiver, stop: Event) -> None:
        since = min(_THREE_DAYS, 0.9 * receiver.retention)
        reconcile_every(interval, receiver, history, since=since, stop=stop)

    return reconcile_until_stopped


def _engine(receiver: Receiver) -> _Worker:
    engine: Any = receiver.dispatcher
    if engine is None:
        raise ConfigurationError(
            "this Receiver has no engine, so the web process runs its handlers itself; give it "
            f"one: {receiver.how_to_set('dispatcher', _EXAMPLE)}"
        )
    if not callable(getattr(engine, "work", None)):
        raise ConfigurationError(
            f"{type(engine).__name__} has no worker of its own here; start the engine's: for "
            "Celery `celery -A shop.tasks:app worker`, where the app's include=[...] names the "
            "module of this Receiver"
        )
    return cast("_Worker", engine)


def _stop_by_signal(grace: float) -> Event:
    """Return an event that the first signal sets; a second one ends the process."""
    stop = Event()

    def on_signal(_number: int, _frame: Any) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()
        last = Timer(grace + _MERCY, _leave, (1,))
        last.daemon = True
        last.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop


def _leave(code: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
