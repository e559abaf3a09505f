"""What of Celery's settings could lose events, each with the line that mends it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs

with needs("celery"):  # which has no types
    _exceptions: Any = import_module("celery.exceptions")
    _serialization: Any = import_module("kombu.serialization")

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .protocol import Executor


__all__ = [
    "AMQP",
    "OPTIONS",
    "REDIS",
    "TASK",
    "problems",
    "queue_of",
    "refuse",
    "transport_of",
    "visibility_of",
]

TASK = "coffrify_webhooks.execute"
_LONGEST = 30.0
"""Seconds for which a silent broker may keep a worker from noticing that it is gone."""
_VISIBILITY = 3600.0
"""Kombu's own, for Redis; 1800 for SQS."""
OPTIONS: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "retry_on_worker_lost": False,  # or Celery would wait three minutes
    "acks_on_failure_or_timeout": False,
    "acks_on_timeout": False,  # one that task_time_limit has killed is run again
    "ignore_result": True,  # a result backend that is away must not keep a worker
    "serializer": "json",
    "expires": None,
}
REDIS = ("redis", "rediss", "sentinel")
AMQP = ("amqp", "amqps", "pyamqp")
_TRANSPORTS = (*REDIS, *AMQP, "sqs")
_LOSING = ("no_ack", "auto_delete", "expires", "message_ttl", "max_length", "max_length_bytes")
_LOSING_ARGUMENTS = ("x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes")


def visibility_of(app: Any) -> float:
    return float(_number(app.conf.broker_transport_options, "visibility_timeout", _VISIBILITY))


def transport_of(connection: Any) -> str:
    return str(connection.transport_cls).lower()


def refuse(app: Any, problems: Iterable[tuple[str, str]]) -> None:
    """Raise ConfigurationError if there are any, with the lines to paste that put them right."""
    found = list(problems)
    if not found:
        return
    texts = "".join(f"\n- {text}" for text, _ in found)
    fixes = list(dict.fromkeys(fix for _, fix in found if fix))
    lines = [fix for fix in fixes if not fix.startswith('"')]
    options = [fix for fix in fixes if fix.startswith('"')]
    remedy = _lines_to_paste(app, lines, options) if fixes else ""
    raise ConfigurationError(f"these Celery settings could lose events:{texts}{remedy}")


def _lines_to_paste(app: Any, lines: list[str], options: list[str]) -> str:
    """Write settings, and options of the transport, as the application is given its own.

    With a namespace, as Django's projects have, that is the names of a settings module.
    """
    prefix = f"{app.namespace}_" if app.namespace else ""
    named, kept = "broker_transport_options", ""
    if app.conf.broker_transport_options:  # none of it is repeated: it may hold a password
        kept = f"**{f'{prefix}{named}'.upper() if prefix else f'app.conf.{named}'}, "
    if options:
        lines = [*lines, f"{named}={{{kept}{', '.join(options)}}}"]
    if not prefix:
        block = "".join(f"\n    {line}," for line in lines)
        return f"\nWhere the Celery application is made:\n\napp.conf.update({block}\n)"
    named_values = (line.partition("=") for line in lines)
    block = "".join(f"\n{prefix}{name.upper()} = {value}" for name, _, value in named_values)
    return f"\nIn the settings whose names begin {prefix}:\n{block}"


def problems(
    app: Any, task: Any, receivers: Collection[Executor], worker: Any = None
) -> Iterator[tuple[str, str]]:
    """Yield each setting that could lose events or leave them lying, and the line that mends it.

    worker: what really starts, with the options of its command line.
    """
    conf = app.conf
    transports = {transport_of(app.connection_for_write()), transport_of(app.connection_for_read())}
    for unknown in sorted(transports.difference(_TRANSPORTS)):
        text = (
            f"broker_url: {unknown!r} is not a broker known to keep the messages of a worker that "
            "dies; use Redis or RabbitMQ, or write your own Dispatcher (docs/engines.md)"
        )
        yield text, ""
    redis = transports <= set(REDIS)
    if redis:
        yield from _redis_problems(conf.broker_transport_options)
    if redis or "sqs" in transports:
        yield from _visibility_problems(app, receivers)
    multiplier = conf.worker_prefetch_multiplier if worker is None else worker.prefetch_multiplier
    if multiplier != 1 and not (redis and conf.get("worker_disable_prefetch")):
        text = (
            f"worker_prefetch_multiplier is {multiplier}: events would wait behind a slow one, "
            "even past their visibility timeout, while other workers are idle"
        )
        yield text, "worker_prefetch_multiplier=1"
    if conf.task_always_eager:
        text = (
            "task_always_eager is set: the web process would run the handlers itself; for tests, "
            f"omit {_how_to_set(receivers, 'dispatcher')}"
        )
        yield text, "task_always_eager=False"
    if "application/json" not in _serialization.prepare_accept_content(conf.accept_content):
        text = "accept_content has no 'json': a worker would discard events"
        yield text, f"accept_content={[*conf.accept_content, 'json']!r}"
    for name, wanted in OPTIONS.items():
        if getattr(task, name) != wanted:
            text = f"task_annotations make {name} of {TASK} {getattr(task, name)!r}"
            yield f"{text}; it has to be {wanted!r}", ""
    yield from _queue_problems(app, task)


def queue_of(app: Any, task: Any) -> str | None:
    """Return the name of the queue that our task goes to, as far as it is known."""
    try:
        queue = app.amqp.router.route({}, TASK, ({}, 0.0), {}, task).get("queue")
    except _exceptions.QueueNotFound:
        return None
    return None if queue is None else str(queue.name)


def _how_to_set(receivers: Collection[Executor], option: str, value: str = "...") -> str:
    """Write an option as the user has to, who made one of these."""
    named = next((receiver.how_to_set(option, value) for receiver in receivers), None)
    return named or f"Receiver({option}={value})"


def _number(options: dict[str, Any], name: str, default: float) -> float:
    """Return a setting that has to be a number; 0 for what is none."""
    value = options.get(name, default)
    return value if isinstance(value, (int, float)) else 0.0


def _redis_problems(options: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not 0 < _number(options, name, 0) <= _LONGEST:
            text = (
                f"broker_transport_options[{name!r}] is {options.get(name)!r}: a server that stops "
                "answering would block a worker forever"
            )
            yield text, f'"{name}": 5'
    if not options.get("ack_emulation", True):
        text = (
            "broker_transport_options['ack_emulation'] is off: the messages of a worker that dies "
            "are lost"
        )
        yield text, '"ack_emulation": True'


def _visibility_problems(app: Any, receivers: Collection[Executor]) -> Iterator[tuple[str, str]]:
    options = app.conf.broker_transport_options
    visibility = visibility_of(app)
    lease = max((receiver.lease for receiver in receivers), default=0)
    if visibility <= lease:
        text = (
            f"broker_transport_options['visibility_timeout'] is {visibility:g}: it must be longer "
            f"than the lease, {_how_to_set(receivers, 'lease', f'{lease:g}')}"
        )
        yield text, f'"visibility_timeout": {max(300, 5 * lease):g}'
    # Kombu looks for what dead workers had at each tenth of these intervals by default.
    interval = _number(options, "unacked_restore_interval", 10)
    every = interval * _number(options, "unacked_restore_throttle", 10)
    if every > max(visibility, 10):
        text = (
            "broker_transport_options['unacked_restore_throttle'] lets Kombu look only every "
            f"{every:g} s for the messages of dead workers, less often than the visibility_timeout"
        )
        yield text, '"unacked_restore_throttle": 1'


def _queue_problems(app: Any, task: Any) -> Iterator[tuple[str, str]]:
    try:
        options = app.amqp.router.route({}, TASK, ({}, 0.0), {}, task)
    except _exceptions.QueueNotFound as error:
        yield f"task_routes: {error}", ""
        return
    queue = options.get("queue")
    if queue is None:
        return
    losing = [name for name in _LOSING if getattr(queue, name, None)]
    arguments: dict[str, Any] = queue.queue_arguments or {}
    losing += [name for name in _LOSING_ARGUMENTS if arguments.get(name)]
    if not queue.durable:
        losing.append("durable=False")
    if losing:
        text = f"task_queues: the queue {queue.name!r}, to which {TASK} goes, has "
        yield f"{text}{', '.join(losing)}: events in it could be lost", ""
