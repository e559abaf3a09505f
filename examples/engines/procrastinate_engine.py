"""Events on procrastinate, in PostgreSQL: a dispatcher to copy and make your own.

    url = "postgresql://shop@localhost/shop"
    app = App(
        connector=PsycopgConnector(conninfo=url),
        worker_defaults={"concurrency": 8, "delete_jobs": "successful"},
    )
    receiver = Receiver(dispatcher=ProcrastinateDispatcher(app, url), handlers=("shop.webhooks",))

The web process needs no more. Once: `procrastinate --app shop.app.app schema --apply`. Beside it
run `procrastinate --app shop.app.app worker`, under a supervisor: a worker that loses the database
ends.
"""

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
from procrastinate import (
    App,
    BaseRetryStrategy,
    PsycopgConnector,
    RetryDecision,
    SyncPsycopgConnector,
)
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job

from coffrify_webhooks import Receiver
from coffrify_webhooks.dispatch import Message
from coffrify_webhooks.errors import ConfigurationError, MessageError, WebhookError

CARE = "* * * * *"
"""When a worker sweeps: each minute."""
AFTER_A_FAULT = 60.0
"""Seconds after which an event comes back that no handler of yours has failed."""
EXECUTE = "coffrify_webhooks.execute"

logger = logging.getLogger(__name__)


class ProcrastinateDispatcher:
    """Hands the events of one receiver to procrastinate; `url` is that of the app's database."""

    def __init__(self, app: App, url: str) -> None:
        refuse_unsafe(app)
        self.app = app
        self.url = url
        self.sender = App(connector=SyncPsycopgConnector())  # never opened: see dispatch

    def dispatch(self, message: Message) -> None:
        """Return once PostgreSQL has the message.

        On a connection of its own: a pool would be one more thing that breaks over a fork, and
        that waits for 30 s when the server is away.
        """
        with psycopg.connect(self.url, connect_timeout=2) as connection:
            # As text, since jsonb refuses some strings that an event may hold.
            job = self.sender.configure_task(EXECUTE, connection=connection)
            job.defer(text=json.dumps(message))

    def attach(self, receiver: Receiver) -> None:
        """Declare what a worker is to run; called by the receiver when it is made."""
        logging.getLogger("procrastinate").setLevel(logging.WARNING)  # or it logs every body

        @self.app.task(name=EXECUTE, retry=Retry())
        def execute(text: str) -> None:
            try:
                receiver.execute(json.loads(text))
            except MessageError as error:
                logger.error("an event from procrastinate was dropped: %s", error)

        @self.app.periodic(cron=CARE)
        @self.app.task(name="coffrify_webhooks.care", queueing_lock="coffrify_webhooks.care")
        async def care(timestamp: int) -> None:
            await self.retry_stalled()
            await asyncio.to_thread(receiver.sweep)

    async def retry_stalled(self) -> None:
        """Queue again what dead workers had: procrastinate leaves it to its user."""
        jobs = self.app.job_manager
        patience = self.app.worker_defaults.get("stalled_worker_timeout", 30)
        # Only ours: one job that cannot be queued again would keep all after it waiting.
        for job in await jobs.get_stalled_jobs(task_name=EXECUTE, seconds_since_heartbeat=patience):
            with suppress(ConnectorException):  # another worker was quicker
                await jobs.retry_job(job)


class Retry(BaseRetryStrategy):
    """Brings an event back for as long as it fails: Receiver(retries=...) says when it is dead."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        """Wait for as long as the error says."""
        wait = exception.retry_after if isinstance(exception, WebhookError) else AFTER_A_FAULT
        return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait))


def refuse_unsafe(app: App) -> None:
    """Raise ConfigurationError for settings under which events would be lost or lie for long."""
    if not isinstance(app.connector, PsycopgConnector):
        raise ConfigurationError(
            f"{type(app.connector).__name__}: give App(connector=PsycopgConnector(conninfo=...))"
        )
    if app.worker_defaults.get("delete_jobs", "never") == "never":  # all bodies, for ever
        raise ConfigurationError('set App(worker_defaults={"delete_jobs": "successful", ...})')
    if app.worker_defaults.get("concurrency", 1) < 2:  # a slow handler would keep the sweep
        raise ConfigurationError('set App(worker_defaults={"concurrency": 8, ...}), 2 at least')
