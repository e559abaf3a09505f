"""Claims in a database of Django's own: beside the application's data, shared by all machines."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.utils.connection import ConnectionDoesNotExist

from coffrify_webhooks.errors import ClaimLost, ConfigurationError, StoreUnavailable
from coffrify_webhooks.observe import logger
from coffrify_webhooks.stores import Claim
from coffrify_webhooks.stores.connections import (
    POOLED,
    is_out_of_service,
    is_pooled,
    prepares,
    unprepared,
)
from coffrify_webhooks.stores.deadline import deadline, descriptor
from coffrify_webhooks.stores.driver_frames import unframed
from coffrify_webhooks.stores.relational import RelationalStore, refusal
from coffrify_webhooks.stores.statements import EVENTS, MARKS, SCHEMA, VERSION, Dialect

from .connecting import drop
from .session import TIMEOUT, ready, session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from coffrify_webhooks.stores import About, Move
    from coffrify_webhooks.stores.relational import Execute

__all__ = ["DIALECTS", "DjangoStore"]

T = TypeVar("T")

DIALECTS: dict[str, Dialect] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mysql": "mysql",  # MariaDB too
}


class DjangoStore(RelationalStore):
    """A store in the database that `settings.DATABASES` calls `using`; `migrate` makes its tables.

    Claims are never part of a transaction that a request has, unless you open one around the
    receiver yourself. Handlers registered with `atomic=True` run in one transaction with the record
    that they have finished. clock: seconds since 1970, instead of the server's; for tests.

    Raises ConfigurationError for a database that does not exist, or that the store cannot use.
    """

    def __init__(
        self, using: str = DEFAULT_DB_ALIAS, *, clock: Callable[[], float] | None = None
    ) -> None:
        super().__init__(_dialect(using), pyformat=True, clock=clock)
        self.using: str = using
        self._looked = False
        self._was_ready = False

    @property
    def place(self) -> str:
        """What it shares with every other store in this database."""
        return f"django:{self.using}"

    @property
    def can_purge_beside(self) -> bool:
        """Whether another thread sees the same data; not in a test's transaction, or in memory."""
        connection: Any = connections[self.using]
        if connection.in_atomic_block:
            return False
        return connection.vendor != "sqlite" or not connection.is_in_memory_db()

    def __repr__(self) -> str:
        return f"DjangoStore({self.using!r})"

    def close(self) -> None:
        """See `Store.close`; the connections are Django's, which closes them at its time."""

    def claim(  # the protocol has them
        self,
        key: str,
        digest: str,
        lease: float,
        token: str | None = None,
        about: About | None = None,
        body: bytes | None = None,
        *,
        over: bool = False,
    ) -> Claim:
        """See `Store.claim`."""
        if self._sql.dialect == "sqlite" and token is None and not over:
            # A handler's transaction may be writing: whoever is refused need not wait for its end.
            refused = self._refuse_claim(key, digest)
            if refused is not None:
                return refused
        return super().claim(key, digest, lease, token, about, body, over=over)

    def _refuse_claim(self, key: str, digest: str) -> Claim | None:
        record = self.get(key)
        if record is None or record.status in ("failed", "dead"):
            return None
        now = self._row()["now"]
        if record.status == "claimed" and record.lease_until <= now:
            return None
        return Claim(refusal(record.status, record.digest == digest))

    def atomically(
        self,
        key: str | None,
        token: str,
        lease: float,
        handler: str,
        work: Callable[[Any], T],
        move: Move | None = None,
        /,
    ) -> T:
        """See `AtomicStore.atomically`; `work` is given Django's connection."""
        first = self._sql.dialect == "sqlite"
        raised: BaseException | None = None
        row = {"key": key, "token": token, "lease": lease, "handler": f"{handler}\n"}
        try:
            with ExitStack() as late:
                with ready(self.using):
                    late.enter_context(transaction.atomic(self.using))
                # On SQLite a transaction that has written is the lease itself: nobody else can
                # write. One that has only read would fail as soon as it writes after another.
                if first and key is not None:
                    self._update(self._sql.finish, row)
                try:
                    result = work(connections[self.using])
                    self._refuse_broken(handler)
                except BaseException as error:
                    raised = error
                    raise
                # Elsewhere the row is locked from here on only, and its lease can be renewed.
                # From here on the server has to answer in time, to the commit's end.
                late.enter_context(
                    deadline(descriptor(connections[self.using].connection), TIMEOUT)
                )
                if key is not None:
                    self._update(self._sql.renew if first else self._sql.finish, row)
                if move is not None:
                    self._move(self._change_here, move)
        except (DatabaseError, InterfaceError) as error:
            failover = is_out_of_service(error.__cause__)
            if failover:
                drop(connections[self.using])
            elif error is raised or not isinstance(error, (OperationalError, InterfaceError)):
                raise  # the handler's own, not the store's
            raise StoreUnavailable(f"the database failed ({type(error).__name__})") from unframed(
                error
            )
        return result

    def run_in_transaction(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Run an async atomic handler; what it awaits of the ORM comes back to this thread.

        So to its connection and its transaction. Raises TypeError where an event loop runs in this
        thread, to which nothing could come back.
        """
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            raise TypeError(
                "an async atomic handler cannot run in the thread of a running event loop; call "
                "receive_async there, or make the handler a plain function"
            )
        return async_to_sync(_await)(function, *arguments)

    def _update(self, statement: str, row: dict[str, Any]) -> None:
        if not self._change_here(statement, **row):
            raise ClaimLost("the claim on this event ended while the event was handled")

    def _change_here(self, statement: str, **row: Any) -> bool:
        """Change a row in the transaction that this thread is in."""
        connection = connections[self.using]
        cursor = connection.cursor()
        with unprepared(connection.connection):
            cursor.execute(statement, self._row(**row))
        return bool(cursor.rowcount == 1)

    def _refuse_broken(self, handler: str) -> None:
        """Refuse to record a finish that Django would roll back without a word."""
        if transaction.get_rollback(self.using):
            raise transaction.TransactionManagementError(
                f"{handler} returned, and left its transaction to be rolled back"
            )

    def _want_marks(self) -> None:
        super()._want_marks()
        self._looked = False

    @contextmanager
    def _session(self) -> Generator[Execute]:
        try:
            with session(self.using) as execute:
                if not self._looked:
                    self._look(execute)
                yield execute
        except StoreUnavailable:
            self._looked = False
            raise

    def _look(self, execute: Execute) -> None:
        """Look whether the tables are there, and not of a later version: once, and after errors."""
        execute("SELECT 1", {})  # connects, anew if need be
        with ready(self.using) as connection:
            tables = connection.introspection.table_names()
        self._has_marks = MARKS in tables
        if EVENTS not in tables or (self._wants_marks and not self._has_marks):
            raise StoreUnavailable("the store's tables are missing; run: manage.py migrate")
        version = VERSION
        if SCHEMA in tables:
            version = execute(f"SELECT MAX(version) FROM {SCHEMA}", {}).fetchone()[0] or VERSION  # noqa: S608
        if version > VERSION:
            raise ConfigurationError(
                "the store was created by a later version of coffrify-webhooks (its schema is "
                f"{version}, this version knows {VERSION}); upgrade coffrify-webhooks"
            )
        raw = connection.connection
        if not self._was_ready and prepares(raw) and is_pooled(raw, execute):
            logger.warning(POOLED, "no prepare_threshold in the database's OPTIONS")
        self._looked = self._was_ready = True


async def _await(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    return await function(*arguments)


def _dialect(using: str) -> Dialect:
    try:
        connection = connections[using]
    except ConnectionDoesNotExist:
        raise ConfigurationError(
            f"settings.DATABASES has no {using!r}; name one of its keys: DjangoStore(using=...)"
        ) from None
    except (ImproperlyConfigured, ImportError) as error:  # a driver is missing
        raise ConfigurationError(
            f"settings.DATABASES[{using!r}] cannot be used: {error}"
        ) from error
    dialect = DIALECTS.get(connection.vendor)
    if dialect is None:
        raise ConfigurationError(
            f"DjangoStore works with SQLite, PostgreSQL, MySQL and MariaDB, and "
            f"settings.DATABASES[{using!r}] is {connection.vendor}; set another store: "
            'COFFRIFY_WEBHOOKS = {"STORE": "redis://..."}'
        )
    if not connection.settings_dict["AUTOCOMMIT"]:
        raise ConfigurationError(
            f"settings.DATABASES[{using!r}] has AUTOCOMMIT off, so nothing would be kept; add "
            "another alias of the same database with AUTOCOMMIT on, and name that one"
        )
    return dialect
