"""What a store's calls cost does not depend on how many events it keeps: rows are counted."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coffrify_webhooks.stores import Filter, sql_engine
from coffrify_webhooks.stores.refused import refused_in, refused_of, without_refused
from coffrify_webhooks.stores.relational import Execute, RelationalStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.statements import COLUMNS, EVENTS

if TYPE_CHECKING:
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgres import Postgres

FEW, MANY = 2_000, 20_000
NUMBERS = {
    "sqlite": "(WITH RECURSIVE up(n) AS (SELECT {0} UNION ALL SELECT n + 1 FROM up WHERE n < {1})"
    " SELECT n, printf('%08x%056d', n * 2654435761 % 4294967296, n) AS key FROM up)",
    "postgresql": "(SELECT n, LPAD(TO_HEX(MOD(n * 2654435761, 4294967296)), 8, '0')"
    " || LPAD(n::text, 56, '0') AS key FROM generate_series({0}::bigint, {1}) AS n)",
    "mysql": "(SELECT seq AS n, CONCAT(LPAD(LOWER(HEX(MOD(seq * 2654435761, 4294967296))), 8, '0'),"
    " LPAD(seq, 56, '0')) AS `key` FROM seq_{0}_to_{1})",
}
"""As a subquery: whole numbers from {0} to {1}, each with a key that looks like a hash."""


_AT_ONCE = 20_000
"""Events that are inserted within the time that a call of the store may take."""


class Counted:
    """A store with many settled events, and how many rows its last call has read."""

    def __init__(self, store: RelationalStore) -> None:
        self.store = store
        self.dialect = store._sql.dialect
        self.stored = 0
        self._rows = 0

    def grow(self, number: int) -> None:
        """Store settled events, one in a hundred of them a dead letter."""
        key = "`key`" if self.dialect == "mysql" else "key"
        hundredth = "n % 100 = 0" if self.dialect == "sqlite" else "MOD(n, 100) = 0"
        values = (
            f"{key}, 'default', {key}, 'transfer.created', "
            f"CASE WHEN {hundredth} THEN 'dead' ELSE 'done' END, 1, 1.7e9 + n / 10.0,"
            " 1.7e9 + n / 10.0, 0, '', '', '', '{}', '', NULL"
        )
        insert = f"INSERT INTO {EVENTS} ({COLUMNS}, token, body) SELECT {values}"
        for first in range(self.stored, number, _AT_ONCE):
            last = min(first + _AT_ONCE, number)
            numbers = NUMBERS[self.dialect].format(first + 1, last)
            with self.store._session() as execute:
                execute(f"{insert} FROM {numbers} AS numbers", {})
        with self.store._session() as execute:
            execute(f"ANALYZE TABLE {EVENTS}" if self.dialect == "mysql" else "ANALYZE", {})
        self.stored = number

    def cost(self, call: Callable[[Any], object]) -> int:
        """Return how many rows, or on SQLite steps, a call takes."""
        session = self.store._session
        self._rows = 0

        @contextmanager
        def counting() -> Generator[Execute]:
            with session() as execute:
                yield lambda statement, row: self._execute(execute, statement, row)

        self.store._session = counting  # type: ignore[method-assign]
        try:
            call(self.store)
        finally:
            self.store._session = session  # type: ignore[method-assign]
        return self._rows

    def _execute(self, execute: Execute, statement: str, row: Mapping[str, Any]) -> Any:
        if isinstance(self.store, SQLiteStore):
            assert self.store._connection is not None
            self.store._connection.set_progress_handler(self._step, 1)
            result = Fetched(execute(statement, row))
            self.store._connection.set_progress_handler(None, 1)
            return result
        if self.dialect == "postgresql":
            if statement.startswith("SELECT"):
                plan = execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", row).fetchone()[0]
                self._rows += scanned(json.loads(plan) if isinstance(plan, str) else plan)
            return execute(statement, row)
        before = handled(execute)
        result = Fetched(execute(statement, row))
        self._rows += handled(execute) - before
        return result

    def _step(self) -> int:
        self._rows += 1
        return 0


class Fetched:
    """What a statement gave, read to its end."""

    def __init__(self, cursor: Any) -> None:
        self.rowcount = cursor.rowcount
        self._rows = [] if cursor.description is None else cursor.fetchall()

    def fetchall(self) -> Any:
        return self._rows

    def fetchone(self) -> Any:
        return self._rows[0]


def scanned(plan: Any) -> int:
    """Sum the rows that the leaves of a plan of PostgreSQL have read."""
    if isinstance(plan, list):
        return sum(map(scanned, plan))
    below = [*plan.get("Plans", []), *([plan["Plan"]] if "Plan" in plan else [])]
    if below:
        return sum(map(scanned, below))
    read: int = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(read * plan["Actual Loops"])


def handled(execute: Execute) -> int:
    """Return how many rows this connection of MariaDB has read so far."""
    found = execute("SHOW SESSION STATUS LIKE 'Handler_read%%'", {}).fetchall()
    return sum(int(count) for name, count in found if "rnd" not in name or name.endswith("next"))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def counted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Counted]:
    """A store of each relational database with 2,000 settled events."""
    monkeypatch.setattr(sql_engine, "_CONNECT_TIMEOUT", 60)  # rows are counted here, not seconds
    store: RelationalStore
    if request.param == "sqlite":
        store = SQLiteStore(tmp_path / "store.db")
    else:
        name = "mariadb" if request.param == "mariadb" else "postgres"
        server: Postgres | MariaDB = request.getfixturevalue(name)
        store = SQLStore(server.database("growth"))
        with store._session() as execute:
            execute(f"DELETE FROM {EVENTS}", {})
    made = Counted(store)
    made.grow(FEW)
    yield made
    store.close()


def last_of_a_page(store: RelationalStore) -> Any:
    return store.find(limit=50)[-1]


CALLS: dict[str, Callable[[Any], object]] = {
    "purge": lambda store: store.purge(40 * 365 * 86_400.0),
    "find": lambda store: store.find(limit=50),
    "find, the next page": lambda store: store.find(limit=50, after=last_of_a_page(store)),
    "find, of some statuses": lambda store: store.find(
        Filter(statuses=("dead", "failed", "queued")), 10
    ),
    "find, untouched for long": lambda store: store.find(Filter(idle=86_400.0), 50),
    "find, a key's beginning": lambda store: store.find(Filter(key="9e3779b1"), 50),
    "stats": lambda store: store.stats(10),
    "stats without the refused": lambda store: without_refused(store, {"conflict": 1}),
    "room for a refused request": lambda store: store.find(refused_of("default"), 20),
    "the refused requests": refused_in,
    "the sweep's search": lambda store: store.find(
        Filter(receiver="default", statuses=("queued", "running", "claimed"), idle=300.0)
    ),
}


def test_a_call_reads_as_many_rows_of_many_events_as_of_few(counted: Counted) -> None:
    """Purge with nothing old, find and stats read as many rows of ten times the events."""
    few = {name: counted.cost(call) for name, call in CALLS.items()}
    counted.grow(MANY)
    many = {name: counted.cost(call) for name, call in CALLS.items()}
    assert {name for name in CALLS if many[name] > 1.5 * few[name] + 20} == set(), (few, many)


def test_a_purge_reads_little_more_than_it_drops(counted: Counted) -> None:
    """However many are old, a purge reads and drops the oldest, and no more than its limit."""
    few = counted.cost(lambda store: store.purge(86_400.0, 20))
    counted.grow(MANY)
    oldest = [record.key for record in counted.store.find(limit=MANY)][-20:]
    assert counted.cost(lambda store: store.purge(86_400.0, 20)) <= 1.5 * few + 20
    assert [counted.store.get(key) for key in oldest] == [None] * 20
    assert counted.store.stats(None) == {"dead": MANY // 100, "done": MANY - MANY // 100 - 40}


def test_stats_count_all_only_where_that_is_asked_for(counted: Counted) -> None:
    """A count that reaches the bound may be larger; None counts all."""
    assert counted.store.stats(1500) == {"dead": FEW // 100, "done": 1500}
    assert counted.store.stats(None) == {"dead": FEW // 100, "done": FEW - FEW // 100}
