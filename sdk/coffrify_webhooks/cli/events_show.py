"""`coffrify-webhooks events show`: all that is known of one event."""

import json
import time

import click

from coffrify_webhooks.stores import Record
from coffrify_webhooks.stores.record import plain

from .completion import complete_id
from .duration import span
from .events_find import find_named
from .events_json import fields, moment, verified
from .failure import Failed
from .source import Source, takes_source

__all__ = ["show"]


@click.command(epilog="Example: coffrify-webhooks events show evt_9")
@click.argument("id_", metavar="ID", shell_complete=complete_id)
@click.option("--body", is_flag=True, help="Write the body that was kept to stdout, unchanged.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per record.")
@takes_source()
def show(source: Source, id_: str, *, body: bool, as_json: bool) -> None:
    """Show the record of an event.

    An ID is the event's id, its key, or the beginning of its key. An id has several records if
    several receivers got it, or if it arrived with several bodies.
    """
    if body and as_json:
        raise click.UsageError("--body writes the body and nothing else; leave out --json")
    found = [source.store.get(each.key) for each in find_named(source.store, id_)]
    records = [each for each in found if each is not None]
    if body:
        click.echo(_body(records), nl=False)
        return
    for number, record in enumerate(records):
        if as_json:
            size = None if record.body is None else len(record.body)
            click.echo(json.dumps({**fields(record), "body_bytes": size}))
        else:
            click.echo("\n" * bool(number) + _text(record, time.time()))


def _body(records: list[Record]) -> bytes:
    kept = {each.key: each.body for each in records if each.body is not None}
    if not kept:
        raise Failed("no body is kept: an event's body is dropped once it was handled")
    if len(kept) > 1:
        keys = " or ".join(key[:12] for key in kept)
        raise Failed(f"{len(kept)} bodies are kept under this id; name one by its key: {keys}")
    return next(iter(kept.values()))


def _text(record: Record, now: float) -> str:
    from coffrify_webhooks.dispatch.message import finished_in  # not for a help

    facts = {
        "type": record.type,
        "status": f"{record.status}, since {_time(record.touched_at, now)}",
        "received": _time(record.received_at, now),
        "attempts": str(record.attempts),
        "lease": _lease(record.lease_until, now),
        "finished": ", ".join(sorted(finished_in(record))),
        "error": record.error,
        "receiver": record.receiver,
        "delivery": _delivery(record),
        "body": "not kept" if record.body is None else f"{len(record.body)} bytes kept",
        "digest": record.digest,
        "key": record.key,
    }
    lines = [f"  {name:9} {plain(fact, 1000)}" for name, fact in facts.items() if fact]
    return "\n".join([plain(record.id) or "(no id)", *lines])


def _time(seconds: float, now: float) -> str:
    return f"{moment(seconds)} ({span(now - seconds)} ago)"


def _lease(until: float, now: float) -> str:
    if not until:
        return ""
    if until > now:
        return f"held for {span(until - now)} more, unless renewed"
    return f"ended {span(now - until)} ago: the process that held it has stopped"


def _delivery(record: Record) -> str:
    """Say what is known of the attempt that came last."""
    known = verified(record)
    parts = [f"{known['scheme']} signature"] if "scheme" in known else []
    parts += [f"{name} {known[name]}" for name in ("key", "encoding") if name in known]
    if isinstance(known.get("timestamp"), int):
        parts.append(f"signed {moment(known['timestamp'])}")
    return ", ".join([*parts, "a test"] if known.get("test") else parts)
