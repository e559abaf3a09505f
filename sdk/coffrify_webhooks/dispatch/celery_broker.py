"""Connections to Celery's broker that give up within seconds and ask for its receipt."""

from __future__ import annotations

import os
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import DispatchError
from coffrify_webhooks.stores.driver_frames import unframed

from .celery_settings import AMQP, REDIS, transport_of, visibility_of

if TYPE_CHECKING:
    from .protocol import Executor, Message

__all__ = ["Line", "lines"]

_TIMEOUT = 2.0
"""Seconds for one answer of the broker; a hand-over is given 5, and needs two at the most."""
_SOON = 1.0
"""Seconds within which a connection that is already dead fails."""
_HOP = 60.0
"""Seconds for which a worker holds a message that waits; a longer wait is several such hops."""


class Line:
    """What the dispatchers of an app share: their receivers, and connections to the broker."""

    def __init__(self, app: Any) -> None:
        self.receivers: dict[str, Executor] = {}
        self._app = app
        self._idle: list[Any] = []
        lines.add(self)

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
                ) from unframed(error)
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


lines: weakref.WeakSet[Line] = weakref.WeakSet()
_inherited: list[object] = []


def _after_fork() -> None:
    for line in list(lines):
        line.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _hop(app: Any) -> float:
    """Return for how long a worker may hold a message: well below when the broker takes it away."""
    return min(_HOP, visibility_of(app) / 2)
