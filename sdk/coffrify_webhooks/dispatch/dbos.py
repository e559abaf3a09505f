"""Events handed to DBOS: a quick answer and a durable queue in a database, with no other service.

The web process writes one row; `coffrify-webhooks worker` takes it from there. A retry is a row of
its own with a delay, not a sleep: whoever sleeps would keep one of the worker's places.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import weakref
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from coffrify_webhooks.errors import (
    ConfigurationError,
    DispatchError,
    MessageError,
    WebhookError,
)
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger
from coffrify_webhooks.stores.deadline import deadline
from coffrify_webhooks.stores.driver_frames import unframed
from coffrify_webhooks.stores.url import mask

with needs("dbos"):
    import dbos as _dbos
    from sqlalchemy.exc import SQLAlchemyError

    from coffrify_webhooks.stores.connections import is_dead, is_our_mistake, kind, socket_of

    from .dbos_database import TIMEOUT, engine_of, engine_options, lacks_milliseconds
    from .dbos_lock import Lock
    from .dbos_settings import checked_concurrency, checked_name, checked_url, refuse_other_versions

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from .protocol import Executor, Message

__all__ = ["DBOSDispatcher"]

_URL = "sqlite:///coffrify-webhooks-engine.db"
_VERSION = "1"
"""Pinned, since DBOS does not continue what another version of the application began."""
_WORKFLOW = "coffrify_webhooks.execute"
_POLLING = 0.1
"""Seconds between two looks of an idle worker at its queue."""
_CHECK = 5.0
"""Seconds between two looks at the worker's lock."""
_CARE = 60.0
"""Seconds between two sweeps."""
_KEPT = timedelta(minutes=10)
"""How long a finished workflow is kept for inspection; the store remembers events."""
_BATCH = 500
"""Workflows deleted at once."""
_FINISHED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_AFTER_A_FAULT = 60.0
"""Seconds until an event is tried again after an error that is not of a handler or a store."""


class DBOSDispatcher:
    """Hands events to DBOS, in an SQLite file (one machine) or in PostgreSQL.

    url: "sqlite:///file.db" or "postgresql://user:password@host/database"; its tables are made if
    need be. name: tells apart what shares a database: 3 to 60 lower-case letters, digits and
    dashes. concurrency: how many events a worker handles at once.

    Raises ConfigurationError, naming the remedy, for what cannot be used. A server that is
    unavailable is no such error: deliveries are answered 503 until it is back.
    """

    def __init__(
        self, url: str = _URL, *, name: str = "coffrify-webhooks", concurrency: int = 8
    ) -> None:
        url = mask(url)
        refuse_other_versions()
        self._url = checked_url(url)
        self._name = checked_name(name)
        self.concurrency: int = checked_concurrency(concurrency)
        self._engine = engine_of(self._url)
        self._client = _dbos.DBOSClient(
            system_database_engine=self._engine,
            serializer=_dbos.DBOSPortableJSONSerializer(),
            application_name=self._name,
            retry_connection_errors=False,  # or it would try for minutes, and the sender is gone
            lazy=True,
        )
        self._ready = False
        self._preparing = threading.Lock()
        _dispatchers.add(self)
        try:
            self._prepare()
        except DispatchError as error:
            if is_our_mistake(error.__cause__):
                raise ConfigurationError(
                    f"the database of the DBOS engine refused the connection ({error}); check the "
                    "folder and the permissions of the file, or the user, password and database "
                    "name in the URL"
                ) from None
            logger.warning("%s; each delivery tries again", error)
        finally:
            self.close()  # nothing is left open over a fork

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the dispatcher that "dbos+sqlite:///file.db" or "dbos+postgresql://..." names."""
        return cls(url.removeprefix("dbos+"))

    def __repr__(self) -> str:
        if not hasattr(
            self, "_url"
        ):  # refused while it was made; a crash reporter asks all the same
            return "DBOSDispatcher()"
        url = self._url.set(query={}).render_as_string(hide_password=True)
        return f"DBOSDispatcher({url!r}, concurrency={self.concurrency})"

    def dispatch(self, message: Message) -> None:
        """See `Dispatcher.dispatch`; the same token twice is one hand-over."""
        self._prepare()
        text = json.dumps(message)  # DBOS's own JSON is not ASCII, and half a surrogate breaks it
        first = f"{message.get('token') or uuid4().hex}-0"
        options = self._enqueue_options(str(message.get("receiver")), first)
        try:
            with self._session() as connection:
                self._client.enqueue_in_transaction(connection, options, text, 0)
        except DispatchError:
            self._ready = False
            raise

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def work(self, receiver: Executor, stop: threading.Event, grace: float = 25.0) -> bool:
        """Run the worker until `stop` is set; running handlers then have `grace` seconds to finish.

        Returns whether everything that had begun was finished. There is one worker for each
        engine and receiver: raises ConfigurationError if another is running. May be killed at any
        time: the next one continues with the events that this one had.
        """
        logging.getLogger("dbos").setLevel(logging.WARNING)
        queue = self._queue(receiver.name)
        runs = _Runs()
        self._prepare()
        with Lock(self._url, queue) as lock:
            self._launch(receiver, queue, runs)
            try:
                self._look_after(receiver, queue, lock, stop)
                logger.info("the worker is stopping; running handlers have %g s to finish", grace)
            finally:
                _dbos.DBOS.destroy(
                    destroy_registry=True, workflow_completion_timeout_sec=math.ceil(grace)
                )
        return not runs.going

    # --- the web process ----------------------------------------------------------------------

    def _queue(self, receiver: str) -> str:
        """Return the queue of one receiver: its worker must not be given another's events."""
        return f"{self._name}/{receiver}"

    def _enqueue_options(self, receiver: str, workflow: str) -> _dbos.EnqueueOptions:
        return {
            "workflow_name": _WORKFLOW,
            "queue_name": self._queue(receiver),
            "workflow_id": workflow,
            "app_version": _VERSION,
            "application_name": self._name,
        }

    def _prepare(self) -> None:
        """Make the engine's tables, once: no worker need have run before the first delivery."""
        if self._ready:
            return
        with self._preparing:
            if self._ready:
                return
            with self._session() as connection:  # fails soon, where the next line would not
                connection.exec_driver_sql("SELECT 1")
            try:
                self._migrate()
            except SQLAlchemyError as error:
                raise DispatchError(
                    f"DBOS could not create its tables ({kind(error)})"
                ) from unframed(error)
            self._ready = True

    def _migrate(self) -> None:
        if lacks_milliseconds(self._url):  # not on connections that DBOS makes by itself
            self._client._sys_db.run_migrations()
        else:
            _dbos.DBOS.migrate(self._url.render_as_string(hide_password=False))

    @contextmanager
    def _session(self) -> Generator[Connection]:
        """Lend a live connection in a transaction; one that hangs is cut off."""
        try:
            with self._engine.connect() as connection:
                while is_dead(socket_of(connection.connection)):  # the server was restarted
                    connection.invalidate()
                with deadline(socket_of(connection.connection), TIMEOUT), connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            raise DispatchError(f"DBOS did not take the event ({kind(error)})") from unframed(error)

    # --- the worker ---------------------------------------------------------------------------

    def _launch(self, receiver: Executor, queue: str, runs: _Runs) -> None:
        self._client.register_queue(
            queue,
            worker_concurrency=self.concurrency,
            polling_interval_sec=_POLLING,
            application_name=self._name,
        )
        _dbos.DBOS(
            config={
                "name": self._name,
                "system_database_url": self._url.render_as_string(hide_password=False),
                "executor_id": queue,  # what a worker left behind is found by its id
                "application_version": _VERSION,
                "serializer": _dbos.DBOSPortableJSONSerializer(),
                "db_engine_kwargs": engine_options(self._url),
                "log_level": "WARNING",
            }
        )
        if _dbos.DBOS.executor_id != queue:  # it is one for each process
            raise ConfigurationError(
                "the application has started its own DBOS in this process; start it only where it "
                "is needed, not while the module that --app names is imported"
            )

        def execute(text: str, turn: int) -> None:
            with runs:
                self._execute(receiver, text, turn)

        _dbos.DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(execute)
        _dbos.DBOS.listen_queues([queue])
        _dbos.DBOS.launch()

    def _execute(self, receiver: Executor, text: str, turn: int) -> None:
        """Run the handlers; if they are to run again, hand over again, with a delay."""
        try:
            receiver.execute(json.loads(text))
        except MessageError as error:
            logger.error("an event from the engine was dropped: %s", error)
            return
        except WebhookError as error:
            wait = error.retry_after
        except BaseException:  # whatever it was, the event stays
            logger.exception(
                "an event from the engine could not be handled; the worker tries it again"
            )
            wait = _AFTER_A_FAULT
        else:
            return
        before = str(_dbos.DBOS.workflow_id).rpartition("-")[0]
        options = self._enqueue_options(receiver.name, f"{before}-{turn + 1}")
        options["delay_seconds"] = wait
        _dbos.DBOS.enqueue_workflow_with_options(options, text, turn + 1)

    def _look_after(
        self, receiver: Executor, queue: str, lock: Lock, stop: threading.Event
    ) -> None:
        # Not at once: what waits since the last worker stopped is not lost, and is run first.
        due = time.monotonic() + _CARE
        while not stop.wait(min(_CHECK, _CARE)):
            lock.check()
            if time.monotonic() < due:
                continue
            due = time.monotonic() + _CARE
            with _logging_errors():
                receiver.sweep()
            with _logging_errors():
                self._collect(queue)

    def _collect(self, queue: str) -> None:
        """Delete what has long finished, or the database would only grow."""
        before = (datetime.now(UTC) - _KEPT).isoformat()
        while True:
            finished = self._client.list_workflows(
                queue_name=queue,
                status=_FINISHED,
                completed_before=before,
                load_input=False,
                load_output=False,
                limit=_BATCH,
            )
            if finished:
                self._client.delete_workflows([each.workflow_id for each in finished])
            if len(finished) < _BATCH:
                return


@contextmanager
def _logging_errors() -> Generator[None]:
    """Log what fails: a chore has its next turn."""
    try:
        yield
    except WebhookError as error:
        logger.warning("a periodic task of the worker failed: %s", error)
    except Exception:  # nor may it end the worker
        logger.exception("a periodic task of the worker failed")


class _Runs:
    """Counts what is running."""

    def __init__(self) -> None:
        self.going = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.going += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.going -= 1


_dispatchers: weakref.WeakSet[DBOSDispatcher] = weakref.WeakSet()


def _after_fork() -> None:
    """Leave the parent's connections to the parent."""
    for dispatcher in list(_dispatchers):
        dispatcher._engine.dispose(close=False)
        dispatcher._preparing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
