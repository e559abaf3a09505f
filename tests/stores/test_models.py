"""Every store against the one in memory: random calls, one clock, and the same answers.

MemoryStore is short enough to be read as the specification. Each rule makes the same call on both
stores; after each, every record, every listing and every count must be the same.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.budgets import budget
from tests.servers.valkey import Valkey

from coffrify_webhooks.stores import About, Filter, Store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.statements import EVENTS, MARKS

Clock: TypeAlias = Callable[[], float]
Token: TypeAlias = tuple[str, str]
"""One store's and the other's."""
Which: TypeAlias = Literal["held", "late", "other", "made up"]
Make: TypeAlias = Callable[[Clock], Any]
"""Given a clock, returns a context manager that lends an empty store."""

TICK = 0.125
"""Seconds between two calls. A power of two, so that calls often fall on the end of a lease."""
KEYS = ("a", "b", "c", "d", "e", "f")
STATUSES = ("claimed", "queued", "running", "done", "failed", "dead", "conflict")

keys = st.sampled_from(KEYS)
digests = st.sampled_from(["d1", "d2"])
leases = st.sampled_from([0.0, TICK, 30.0, 60.0])
bodies = st.none() | st.binary(max_size=20)
errors = st.sampled_from(["", "app:one raised ValueError", "caf\u00e9 \U0001f4e6 it's %s"])
states = st.none() | st.sampled_from(["", "1", "2"])
names = st.sampled_from(["app:one", "app:two", "app:caf\u00e9"])
abouts = st.builds(
    About,
    st.sampled_from(["main", "other"]),
    st.sampled_from(["evt_1", "evt_2"]),
    st.sampled_from(["transfer.created", "transfer.deleted", "ping"]),
    st.sampled_from(['{"test":false}', '{"test":true}']),
)
whiches: st.SearchStrategy[Which] = st.sampled_from(
    ["held", "held", "held", "held", "held", "late", "other", "made up"]
)
ages = st.sampled_from([0.0, TICK, 30.0, 60.0, 1000.0])
filters = st.builds(
    Filter,
    receiver=st.none() | st.sampled_from(["main", "other", "nobody"]),
    id=st.none() | st.sampled_from(["evt_1", "evt_3"]),
    type=st.none() | st.sampled_from(["ping", "transfer.*", "transfer", "*"]),
    statuses=st.lists(st.sampled_from(STATUSES), unique=True, max_size=3).map(tuple),
    idle=st.none() | ages,
    recent=st.none() | ages,
)


class Machine(RuleBasedStateMachine):
    """The store under test beside the one in memory. A token is a pair: one of each store."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.model = MemoryStore(clock=self.clock)
        self.lent = make(self.clock)
        self.store: Store = self.lent.__enter__()
        self.tokens: list[tuple[str, Token]] = []
        """Of which key, from first to last."""
        self.locks: list[tuple[str, Token]] = []
        """Likewise, of marks."""

    def clock(self) -> float:
        return self.now

    def teardown(self) -> None:
        self.lent.__exit__(None, None, None)

    def both(self, name: str, *args: Any) -> Any:
        """Call both stores; the answers must be the same."""
        expected = getattr(self.model, name)(*args)
        assert getattr(self.store, name)(*args) == expected
        return expected

    def token(self, key: str, which: Which, tokens: list[tuple[str, Token]] | None = None) -> Token:
        """Return the key's last token or the one before, some other key's, or a made-up one."""
        tokens = self.tokens if tokens is None else tokens
        of_key = [token for owner, token in tokens if owner == key]
        others = [token for owner, token in tokens if owner != key]
        found = {"held": of_key[-1:], "late": of_key[-2:-1], "other": others[-1:]}.get(which, [])
        return found[0] if found else ("x", "x")

    def by_token(self, name: str, key: str, which: Which, *args: Any) -> None:
        """Call both stores, each with its own token; "held" prefers an event that is."""
        if which == "held":
            held = [
                record.key for record in self.model.find(Filter(statuses=("claimed", "running")))
            ]
            key = key if key in held else (*held, key)[0]
        first, second = self.token(key, which)
        expected = getattr(self.model, name)(key, first, *args)
        assert getattr(self.store, name)(key, second, *args) == expected

    @rule(seconds=st.sampled_from([1 / 3, 30.0, 60.0, 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(key=keys, digest=digests, lease=leases, by=st.none() | whiches, about=abouts, body=bodies)
    def claim(
        self,
        key: str,
        digest: str,
        lease: float,
        by: Which | None,
        about: About,
        body: bytes | None,
    ) -> None:
        first, second = (None, None) if by is None else self.token(key, by)
        expected = self.model.claim(key, digest, lease, first, about, body)
        answer = self.store.claim(key, digest, lease, second, about, body)
        assert answer._replace(token="") == expected._replace(token="")
        assert bool(answer.token) == bool(expected.token)
        if answer.token:
            self.tokens.append((key, (expected.token, answer.token)))

    @rule(key=keys, which=whiches, lease=leases)
    def renew(self, key: str, which: Which, lease: float) -> None:
        self.by_token("renew", key, which, lease)

    @rule(key=keys, which=whiches, handler=names)
    def checkpoint(self, key: str, which: Which, handler: str) -> None:
        self.by_token("checkpoint", key, which, handler)

    @rule(key=keys, which=whiches)
    def done(self, key: str, which: Which) -> None:
        self.by_token("done", key, which)

    @rule(key=keys, which=whiches)
    def release(self, key: str, which: Which) -> None:
        self.by_token("release", key, which)

    @rule(key=keys, which=whiches, error=st.none() | errors)
    def queued(self, key: str, which: Which, error: str | None) -> None:
        self.by_token("queued", key, which, error)

    @rule(
        key=keys,
        which=whiches,
        how=st.sampled_from(["failed", "dead"]),
        error=errors,
        body=bodies,
    )
    def fail(self, key: str, which: Which, how: str, error: str, body: bytes | None) -> None:
        self.by_token(how, key, which, error, body)

    @rule(key=keys)
    def forget(self, key: str) -> None:
        self.both("forget", key)

    @rule(key=keys, digest=digests, about=abouts, body=bodies)
    def conflict(self, key: str, digest: str, about: About, body: bytes | None) -> None:
        self.both("conflict", key, digest, about, body)

    @rule(mark=keys, lease=leases)
    def lock(self, mark: str, lease: float) -> None:
        expected, answer = self.model.lock(mark, lease), self.store.lock(mark, lease)  # type: ignore[attr-defined]
        assert (answer is None) is (expected is None)
        if answer is not None and expected is not None:
            assert answer.state == expected.state
            self.locks.append((mark, (expected.token, answer.token)))

    @rule(mark=keys, which=whiches, lease=leases, state=states)
    def renew_lock(self, mark: str, which: Which, lease: float, state: str | None) -> None:
        self.by_lock("renew_lock", mark, which, lease, state)

    @rule(mark=keys, which=whiches, state=states)
    def unlock(self, mark: str, which: Which, state: str | None) -> None:
        self.by_lock("unlock", mark, which, state)

    def by_lock(self, name: str, mark: str, which: Which, *args: Any) -> None:
        first, second = self.token(mark, which, self.locks)
        expected = getattr(self.model, name)(mark, first, *args)
        assert getattr(self.store, name)(mark, second, *args) == expected

    @rule(age=ages)
    def purge(self, age: float) -> None:
        self.both("purge", age)

    @rule(wanted=filters, limit=st.integers(1, 3))
    def find(self, wanted: Filter, limit: int) -> None:
        page = self.both("find", wanted, limit)
        if page:
            self.both("find", wanted, limit, page[-1])

    @rule()
    def close(self) -> None:
        self.store.close()

    @invariant()
    def same(self) -> None:
        self.now += TICK
        for key in KEYS:
            self.both("get", key)
        self.both("find")
        counted = {status: number for status, number in self.store.stats().items() if number}
        assert counted == self.model.stats()


def prove(make: Make, examples: int, steps: int = 50) -> None:
    """Let hypothesis look for calls on which the store and the model differ."""

    class Proof(Machine):
        def __init__(self) -> None:
            super().__init__(make)

    run_state_machine_as_test(
        Proof,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )


def test_sqlite_is_as_in_memory(tmp_path: Path) -> None:
    """The sqlite store answers any sequence of calls as the one in memory does."""
    numbers = count()

    @contextmanager
    def make(clock: Clock) -> Generator[Store]:
        path = tmp_path / f"{next(numbers)}.db"
        store = SQLiteStore(path, clock=clock)
        yield store
        store.close()

    prove(make, budget(8, 20))


@pytest.mark.timeout(300)
def test_redis_is_as_in_memory(valkey: Valkey) -> None:
    """The redis store answers any sequence of calls as the one in memory does."""
    numbers = count()

    @contextmanager
    def make(clock: Clock) -> Generator[Store]:
        store = RedisStore(valkey.url, prefix=f"model-{next(numbers)}", clock=clock)
        yield store
        store.close()

    prove(make, budget(10, 100))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_sql_is_as_in_memory(kind: str, request: pytest.FixtureRequest) -> None:
    """The SQL store answers any sequence of calls as the one in memory does."""
    store = SQLStore(request.getfixturevalue(kind).database("models"), clock=lambda: 0.0)

    @contextmanager
    def make(clock: Clock) -> Generator[Store]:
        store._clock = clock
        with store._session() as execute:
            for table in (EVENTS, MARKS):
                execute(f"DELETE FROM {table}", {})
        yield store

    prove(make, budget(6, 30))
    store.close()
