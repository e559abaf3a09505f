"""What a Celery worker does with events: the task, its checks at the start, the sweeps.

A message is acknowledged when its handlers have run. A retry is a message of its own.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any, cast

from coffrify_webhooks.errors import (
    ConfigurationError,
    DispatchError,
    MessageError,
    WebhookError,
)
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from .celery_broker import lines
from .celery_settings import TASK, problems, queue_of, refuse
from .protocol import refuse_worker

with needs("celery"):  # which has no types
    _bootsteps: Any = import_module("celery.bootsteps")
    _exceptions: Any = import_module("celery.exceptions")
    _processes: Any = import_module("billiard.common")

__all__ = ["execute"]

_CARE = 60.0
"""Seconds between two sweeps of a worker."""
_AFTER_A_FAULT = 60.0
"""Seconds until an event is tried again after an error that is not of a handler or a store."""
_HOW_TO_IMPORT = (
    "import the module that creates it: Celery(include=[...]), or in Django "
    "app.autodiscover_tasks()"
)
_PATIENCE = 30.0
"""Seconds for which a worker tries to send what is to be run again."""
_FIRST_SIGNAL = 128
"""Billiard exits with the number of the signal less 256; signals are below this."""


def execute(task: Any, message: Any, due: float = 0.0) -> str | None:
    """Run the handlers, or wait on; a wait is another message, and keeps no place of the worker."""
    name = cast("dict[str, Any]", message).get("receiver") if isinstance(message, dict) else None
    if not isinstance(name, str):
        logger.error(
            "an event from the engine was dropped: coffrify-webhooks did not write its message"
        )
        return None
    try:
        if due > time.time():
            return _send_again(task, message, due)
        return _execute(task, name, message)
    except _exceptions.Reject:
        raise
    except BaseException as error:  # as a soft time limit that strikes between two steps
        _stop_if_signalled(error)
        raise _exceptions.Reject(error, requeue=True) from error


def _execute(task: Any, name: str, message: Any) -> str | None:
    try:
        receiver = task.line.receivers.get(name)
        if receiver is not None:
            return str(receiver.execute(message))
        # Not dropped: while a release is rolled out, another worker may know it already.
        logger.error(
            "an event is for the receiver %a, which this worker does not have; %s. The worker "
            "tries the event again in %g s",
            name,
            _HOW_TO_IMPORT,
            _AFTER_A_FAULT,
        )
        wait = _AFTER_A_FAULT
    except MessageError as error:
        logger.error("an event from the engine was dropped: %s", error)
        return None
    except WebhookError as error:
        _stop_if_signalled(error.__cause__)
        wait = error.retry_after
    except BaseException as error:  # whatever it was, the event stays
        _stop_if_signalled(error)
        logger.exception("an event from the engine could not be handled; the worker tries it again")
        wait = _AFTER_A_FAULT
    return _send_again(task, message, time.time() + wait)


def _stop_if_signalled(error: BaseException | None) -> None:
    """Go on leaving if a signal to this process is behind it, not the handler itself.

    The message is then not acknowledged, so that it comes back once we are gone.
    """
    if error is not None and isinstance(
        error, (_exceptions.WorkerShutdown, _exceptions.WorkerTerminate)
    ):
        raise error
    code = error.code if isinstance(error, SystemExit) else None
    if isinstance(code, int) and code <= -_FIRST_SIGNAL:
        raise SystemExit(code)
    # It may have hit a handler that raised an error of its own while it was being left.
    has_fired = getattr(_processes, "terminate_handler_fired", None)
    if has_fired is not None and has_fired():
        raise SystemExit(-_FIRST_SIGNAL)


def _send_again(task: Any, message: Any, due: float) -> str:
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
                    "this worker handles no events, because it does not consume their queue, %r",
                    queue,
                )
            return
        try:
            for receiver in receivers.values():
                refuse_worker(receiver)
            refuse(parent.app, problems(parent.app, task, receivers.values(), parent))
        except ConfigurationError as error:
            logger.critical("%s", error)
            raise SystemExit(1) from None
        if not receivers:
            logger.warning(
                "this worker has no Receiver, so it cannot handle events; %s", _HOW_TO_IMPORT
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

    def stop(self, parent: Any) -> None:  # as Celery calls it
        """End with the connection."""
        if self._timer is not None:
            self._timer.cancel()

    def _sweep(self, pool: Any) -> None:
        if self._going:
            return
        self._going = True
        try:
            pool.apply_async(_sweep, callback=self._end_sweep, error_callback=self._end_sweep)
        except Exception:  # it must not end the worker
            self._going = False
            logger.exception("the sweep failed")

    def _end_sweep(self, *_: object) -> None:
        self._going = False


def _sweep() -> None:
    for receiver in [each for line in list(lines) for each in list(line.receivers.values())]:
        try:
            receiver.sweep()
        except WebhookError as error:
            logger.warning("the sweep failed: %s", error)
        except Exception:  # a chore has its next turn
            logger.exception("the sweep failed")
