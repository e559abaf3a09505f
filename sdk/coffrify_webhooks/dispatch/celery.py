"""Events handed to Celery: the application's own workers handle them, beside its other tasks.

A message goes out on connections of our own, which give up within seconds and ask for the broker's
receipt, and is acknowledged when its handlers have run. A retry is a message of its own.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self, cast

from coffrify_webhooks.errors import (
    ConfigurationError,
    DispatchError,
    MessageError,
    WebhookError,
)
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from . import refuse_worker
from .celery_settings import (
    AMQP,
    OPTIONS,
    REDIS,
    TASK,
    problems,
    queue_of,
    refuse,
    transport_of,
    visibility_of,
)

with needs("celery"):  # which has no types
    _celery: Any = import_module("celery")
    _bootsteps: Any = import_module("celery.bootsteps")
    _exceptions: Any = import_module("celery.exceptions")
    _processes: Any = import_module("billiard.common")

if TYPE_CHECKING:
    from coffrify_webhooks.receiver import Receiver

    from . import Message

__all__ = ["CeleryDispatcher"]

_FORMS = '"celery:shop.tasks:app", as in `celery -A shop.tasks:app worker`'
_TIMEOUT = 2.0
"""Seconds for one answer of the broker; a hand-over is given 5, and needs two at the most."""
_SOON = 1.0
"""Seconds in which a connection fails that was dead already."""
_HOP = 60.0
"""Seconds for which a worker holds a message that waits; a longer wait is several such hops."""
_CARE = 60.0
"""Seconds between two sweeps of a worker."""
_AFTER_A_FAULT = 60.0
_PATIENCE = 30.0
"""Seconds for which a worker tries to send what is to be run again."""
_FIRST_SIGNAL = 128
"""Billiard exits with the number of the signal less 256; signals are below this."""


class CeleryDispatcher:
    """Hands events to a Celery application, whose workers then run the handlers.

    app: your `celery.Celery`. A worker must import the module in which the Receiver is made, or it
    throws the events away as an unregistered task: name it in the app's `include`. Configure the
    app before that.

    Raises ConfigurationError, naming the setting, when a Receiver is made with settings under which
    events could be lost; a worker with such settings does not start.
    """

    def __init__(self, app: Any) -> None:
        if not isinstance(app, _celery.Celery):
            raise ConfigurationError(
                f"CeleryDispatcher takes your Celery application, not {type(app).__name__}"
            )
        self.app: Any = app
        # A second dispatcher of the same app gets the same task, with the line that it has.
        self._task: Any = app.task(bind=True, name=TASK, shared=False, line=_Line(app), **OPTIONS)(
            _execute
        )
        self._checked = False
        app.steps["worker"].add(_Check)
        app.steps["consumer"].add(_Sweeps)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the dispatcher that "celery:module" or "celery:module:attribute" names."""
        return cls(_named(url.partition(":")[2]))

    def __repr__(self) -> str:
        return f"CeleryDispatcher({self.app.main!r}, broker={_shown(self.app)!r})"

    def attach(self, receiver: Receiver) -> None:
        """Remember whose `execute` a worker is to call; see `Dispatcher.dispatch`."""
        refuse(problems(self.app, self._task, (receiver,)))
        known = self._task.line.receivers.setdefault(receiver.name, receiver)
        if known is not receiver and known.router is not receiver.router:
            logger.warning(
                "there are two Receivers called %a with this Celery application, with handlers of "
                "their own; the later one handles the events of both. Name one: Receiver(name=...)",
                receiver.name,
            )
        self._task.line.receivers[receiver.name] = receiver

    def dispatch(self, message: Message) -> None:
        """See `Dispatcher.dispatch`."""
        if not self._checked:  # the app may have been configured further meanwhile
            refuse(problems(self.app, self._task, self._task.line.receivers.values()))
            self._checked = True
        self._task.line.send(self._task, message)


# --- what a worker runs -----------------------------------------------------------------------


def _execute(task: Any, message: Any, due: float = 0.0) -> str | None:
    """Run the handlers, or wait on; a wait is another message, and keeps no place of the worker."""
    name = cast("dict[str, Any]", message).get("receiver") if isinstance(message, dict) else None
    if not isinstance(name, str):
        logger.error("an event from the engine is dropped: it is not a message of ours")
        return None
    try:
        if due > time.time():
            return _again(task, message, due)
        return _handled(task, name, message)
    except _exceptions.Reject:
        raise
    except BaseException as error:  # as a soft time limit that strikes between two steps
        _leave_if_told(error)
        raise _exceptions.Reject(error, requeue=True) from error


def _handled(task: Any, name: str, message: Any) -> str | None:
    try:
        receiver = task.line.receivers.get(name)
        if receiver is not None:
            return str(receiver.execute(message))
        # Not dropped: while a release is rolled out, another worker may know it already.
        logger.error(
            "this worker has no Receiver(name=%a), which an event is for; import the module that "
            "makes it: Celery(include=[...]). The event is tried again in %g s",
            name,
            _AFTER_A_FAULT,
        )
        wait = _AFTER_A_FAULT
    except MessageError as error:
        logger.error("an event from the engine is dropped: %s", error)
        return None
    except WebhookError as error:
        _leave_if_told(error.__cause__)
        wait = error.retry_after
    except BaseException as error:  # noqa: BLE001 - whatever it was, the event stays
        _leave_if_told(error)
        logger.exception("an event from the engine could not be handled; it is tried again")
        wait = _AFTER_A_FAULT
    return _again(task, message, time.time() + wait)


def _leave_if_told(error: BaseException | None) -> None:
    """Go on leaving if a signal to this process is behind it, not the handler itself.

    The message is then not acknowledged, so that it comes back once we are gone.
    """
    if isinstance(error, (_exceptions.WorkerShutdown, _exceptions.WorkerTerminate)):
        raise error
    code = error.code if isinstance(error, SystemExit) else None
    if isinstance(code, int) and code <= -_FIRST_SIGNAL:
        raise SystemExit(code)
    # It may have hit a handler that raised an error of its own while it was being left.
    has_fired = getattr(_processes, "terminate_handler_fired", None)
    if has_fired is not None and has_fired():
        raise SystemExit(-_FIRST_SIGNAL)


def _again(task: Any, message: Any, due: float) -> str:
    """Send the message once more, to be run when it is due.

    While the broker is away the worker has nothing else to do, so it may well be waited for. If it
    stays away, the message that is being worked on is not acknowledged, and comes back itself.
    """
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            task.line.send(task, message, due)
        except DispatchError as error:
            if time.monotonic() > give_up:
                raise _exceptions.Reject(error, requeue=True) from None
            logger.warning("%s; it is tried again", error)
            time.sleep(1)
        else:
            return "waits"


# --- the worker -------------------------------------------------------------------------------


class _Check(_bootsteps.Step):  # type: ignore[misc]
    """Keeps a worker from starting with settings that could lose events.

    An exception of a signal's handler would only be logged; one of a step ends the worker.
    """

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)  # pyright: ignore[reportUnknownMemberType]
        task = parent.app.tasks[TASK]
        receivers = task.line.receivers
        queue = queue_of(parent.app, task)
        if queue is not None and queue not in parent.app.amqp.queues.consume_from:
            if receivers:
                logger.warning(
                    "this worker handles no events: it does not fetch from their queue, %r", queue
                )
            return
        try:
            for receiver in receivers.values():
                refuse_worker(receiver)
            refuse(problems(parent.app, task, receivers.values(), parent))
        except ConfigurationError as error:
            logger.critical("%s", error)
            raise SystemExit(1) from None
        if not receivers:
            logger.warning(
                "this worker has no Receiver, so it can handle no event; import the module that "
                "makes it: Celery(include=[...])"
            )


class _Sweeps(_bootsteps.StartStopStep):  # type: ignore[misc]
    """Has the pool sweep about once a minute, without a message that would have to wait its turn.

    Not here: the process that the pool is forked from runs no code of a store.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)  # pyright: ignore[reportUnknownMemberType]
        self._timer: Any = None
        self._going = False

    def start(self, parent: Any) -> None:
        """Begin, also anew after each loss of the broker."""
        self._going = False
        self._timer = parent.timer.call_repeatedly(_CARE, self._sweep, (parent.pool,))

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - as Celery calls it
        """End with the connection."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self, pool: Any) -> None:
        if self._going:
            return
        self._going = True
        try:
            pool.apply_async(_sweep, callback=self._over, error_callback=self._over)
        except Exception:  # noqa: BLE001 - it must not end the worker
            self._going = False
            logger.exception("looking after the queue failed")

    def _over(self, *_: object) -> None:
        self._going = False


def _sweep() -> None:
    for receiver in [each for line in list(_lines) for each in list(line.receivers.values())]:
        try:
            receiver.sweep()
        except WebhookError as error:
            logger.warning("looking after the queue failed: %s", error)
        except Exception:  # noqa: BLE001 - a chore has its next turn
            logger.exception("looking after the queue failed")


# --- to the broker ----------------------------------------------------------------------------


class _Line:
    """What the dispatchers of an app share: their receivers, and connections to the broker."""

    def __init__(self, app: Any) -> None:
        self.receivers: dict[str, Receiver] = {}
        self._app = app
        self._idle: list[Any] = []
        _lines.add(self)

    def send(self, task: Any, message: Message, due: float = 0.0) -> None:
        """Return once the broker has it; raise DispatchError if it does not take it in time."""
        began = time.monotonic()
        while True:
            try:
                producer, used = self._idle.pop(), True
            except IndexError:
                producer, used = self._producer(), False
            try:
                self._publish(producer, task, message, due)
            except Exception as error:
                with suppress(Exception):
                    producer.connection.collect()
                if used and time.monotonic() - began < _SOON:
                    continue  # the broker was restarted since
                cause = error.__cause__ or error
                raise DispatchError(
                    f"Celery's broker did not take the event ({type(cause).__name__})"
                ) from error
            self._idle.append(producer)
            return

    def _publish(self, producer: Any, task: Any, message: Message, due: float) -> None:
        wait = due - time.time()
        task.apply_async(
            (message, due),
            countdown=min(wait, _hop(self._app)) if wait > 0 else None,
            producer=producer,
            retry=False,
            delivery_mode="persistent",
            confirm_timeout=_TIMEOUT,
            add_to_parent=False,
            # What logs and monitors show of it: never the payload.
            argsrepr=f"({message.get('receiver')!a}, {message.get('id')!a})",
            kwargsrepr="{}",
        )

    def _producer(self) -> Any:
        options: dict[str, Any] = {}
        transport = transport_of(self._app.connection_for_write())
        if transport in REDIS:
            options |= {"socket_timeout": _TIMEOUT, "socket_connect_timeout": _TIMEOUT}
        elif transport in AMQP:
            options |= {"read_timeout": _TIMEOUT, "write_timeout": _TIMEOUT}
            options["confirm_publish"] = True  # or it is sent, and perhaps never arrives
        connection = self._app.connection_for_write(
            connect_timeout=_TIMEOUT, transport_options=options
        )
        # Each broker is tried once: Kombu would sleep, and try for longer than the sender waits.
        connection.transport_options["max_retries"] = max(len(connection.alt) - 1, 0)
        return self._app.amqp.Producer(connection, auto_declare=False)

    def forget(self) -> None:
        """Leave the parent's connections to the parent."""
        _inherited.append(self._idle)  # not to be closed here, as it would close them there
        self._idle = []


_lines: weakref.WeakSet[_Line] = weakref.WeakSet()
_inherited: list[object] = []


def _after_fork() -> None:
    for line in list(_lines):
        line.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _hop(app: Any) -> float:
    """Return for how long a worker may hold a message: well below when the broker takes it away."""
    return min(_HOP, visibility_of(app) / 2)


# --- what may be given ------------------------------------------------------------------------


def _named(place: str) -> Any:
    """Return the app that "module" or "module:attribute" names, as Celery's -A does."""
    module, _, attribute = place.partition(":")
    if not module or module.startswith(("/", ".")):
        raise ConfigurationError(f"the URL of Celery names no module; give {_FORMS}")
    try:
        found = import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{module!r}, which the URL of Celery names, could not be imported ({error}); "
            f"give {_FORMS}"
        ) from error
    for name in (attribute,) if attribute else ("app", "celery"):
        app = getattr(found, name, None)
        if isinstance(app, _celery.Celery):
            return app
    raise ConfigurationError(
        f"there is no Celery application {attribute or 'app'!r} in {module!r}, or not yet, if "
        f"it imports the module of the Receiver above it; give {_FORMS}"
    )


def _shown(app: Any) -> str:
    return str(app.connection_for_write().as_uri())  # with ** for the password
