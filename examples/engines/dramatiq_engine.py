"""Events on Dramatiq, with Redis or Valkey: a dispatcher to copy and make your own.

    broker = RedisBroker(
        url="redis://localhost?socket_timeout=2&socket_connect_timeout=2",
        heartbeat_timeout=10_000,
        maintenance_chance=200_000,
    )
    receiver = Receiver(dispatcher=DramatiqDispatcher(broker), handlers=("shop.webhooks",))

The web process needs no more. Beside it run `dramatiq shop.app:broker`, under a supervisor that
starts it again whenever it ends, and the server with `appendonly yes`, or it forgets what it has.
"""

import logging
import os
import signal
import threading
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Retries

from coffrify_webhooks import Receiver
from coffrify_webhooks.dispatch import Message
from coffrify_webhooks.errors import ConfigurationError, MessageError, WebhookError

CARE = 60.0
"""Seconds between two sweeps of a worker process."""
AFTER_A_FAULT = 60.0
"""Seconds after which an event comes back that no handler of yours has failed."""

logger = logging.getLogger(__name__)


class DramatiqDispatcher:
    """Hands the events of one receiver to Dramatiq."""

    def __init__(self, broker: RedisBroker) -> None:
        if not isinstance(broker, RedisBroker):
            raise ConfigurationError(f"{type(broker).__name__} is not durable: give a RedisBroker")
        self.broker = broker

    def dispatch(self, message: Message) -> None:
        """Return once Redis has the message."""
        self.actor.send(message)

    def attach(self, receiver: Receiver) -> None:
        """Declare what a worker is to run; called by the receiver when it is made."""
        refuse_unsafe(self.broker, receiver.lease)

        def execute(message: Message) -> None:
            try:
                receiver.execute(message)
            except MessageError as error:
                logger.error("an event from Dramatiq was dropped: %s", error)
            except WebhookError as error:
                raise dramatiq.Retry(str(error), round(error.retry_after * 1000)) from error
            except Exception as error:
                logger.exception("an event from Dramatiq could not be handled")
                raise dramatiq.Retry("tried again", round(AFTER_A_FAULT * 1000)) from error

        # No limit of Dramatiq's own: Receiver(retries=...) says when an event is dead.
        self.actor = dramatiq.actor(
            actor_name="coffrify_webhooks.execute",
            queue_name="coffrify_webhooks",
            broker=self.broker,
            max_retries=None,
            max_age=None,
            time_limit=float("inf"),
        )(execute)
        self.broker.add_middleware(SafetyChecks(receiver))


class SafetyChecks(dramatiq.Middleware):
    """In each worker process: dispatches again what was lost, and ends a worker that is deaf."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.stop = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Begin, in a thread."""
        threading.Thread(target=self.care, args=(worker,), daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """End."""
        self.stop.set()

    def care(self, worker: dramatiq.Worker) -> None:
        """Sweep now and then."""
        seen: set[object] = set()
        while not self.stop.wait(CARE):
            # After an outage of Redis Dramatiq's worker may fetch no more, and it leaves the
            # retries that it held where only another process will find them.
            threads = worker.consumers.values()
            seen.update(thread.consumer for thread in threads)
            if len(seen) > len(threads) or not all(thread.is_alive() for thread in threads):
                logger.error("Redis was away; this worker ends, to be started anew")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            try:
                self.receiver.sweep()
            except Exception:
                logger.exception("the sweep failed; it has its next turn")


def refuse_unsafe(broker: Any, lease: float) -> None:
    """Raise ConfigurationError for settings under which events would be lost or lie for long."""
    if not any(isinstance(each, Retries) for each in broker.middleware):
        raise ConfigurationError("RedisBroker needs Retries(): a failed event would be lost")
    if broker.maintenance_chance < 100_000:  # what a killed worker had would lie for minutes
        raise ConfigurationError("set RedisBroker(maintenance_chance=200_000), 100_000 at least")
    if broker.heartbeat_timeout > lease * 1000:
        raise ConfigurationError(
            "set RedisBroker(heartbeat_timeout=10_000), not longer than the receiver's lease"
        )
    given = broker.client.connection_pool.connection_kwargs
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not 0 < (given.get(name) or 0) <= 2:  # a server that hangs would keep the sender
            raise ConfigurationError(f'append "{name}=2" to the URL of RedisBroker')
