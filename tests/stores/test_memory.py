"""The store in memory: compact, bounded, and its lock is held briefly."""

import itertools
import logging
import threading
import tracemalloc
from hashlib import sha256
from typing import Any

import pytest
from tests.stores.test_contract import Clock

from coffrify_webhooks import ConfigurationError, StoreUnavailable
from coffrify_webhooks.stores import About, Filter
from coffrify_webhooks.stores.memory import MemoryStore

DELIVERY = (
    '{"id":"%s","timestamp":1795823780,"scheme":"standard","key":0,"encoding":"hex","test":false,'
    '"handlers":["app.webhooks:announce"]}'
)


def handle(store: MemoryStore, number: int) -> str:
    """Claim and settle an event, as a receiver does; return its key."""
    event_id = f"evt_{number:027}"
    key = sha256(event_id.encode()).hexdigest()
    about = About("default", event_id, "transfer.created", DELIVERY % event_id)
    claim = store.claim(key, sha256(key.encode()).hexdigest(), 60, None, about)
    assert claim.status == "claimed"
    assert store.checkpoint(key, claim.token, "app.webhooks:announce")
    assert store.done(key, claim.token)
    return key


def test_a_handled_event_takes_less_than_400_bytes() -> None:
    """Its key and digest are bytes, and what all events have alike is kept once."""
    store = MemoryStore()
    handle(store, 0)
    tracemalloc.start()
    try:
        for number in range(1, 10_001):
            handle(store, number)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 10_000 < 400


@pytest.mark.parametrize("odd", ["", "\0", "a\0b", "\ud800", "é" * 64, "AB" * 32, " " + "ab" * 32])
def test_a_handled_event_is_read_as_it_was_claimed(odd: str) -> None:
    """Whatever its names and times are, packing loses nothing."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    about = About(odd, odd, odd, f'{{"id":"{odd}","timestamp":7,"scheme":"{odd}"}}')
    token = store.claim(odd, odd, 60, None, about).token
    store.checkpoint(odd, token, odd)
    clock.advance(0.1)
    store.done(odd, token)
    record = store.get(odd)
    assert record is not None
    assert record[:4] == (odd, odd, odd, odd)
    assert record.delivery == about.delivery
    assert (record.digest, record.finished, record.attempts) == (odd, frozenset([odd]), 1)
    assert (record.received_at, record.touched_at) == (1_700_000_000.0, clock.now)
    assert store.find() == [record]


def test_a_full_store_forgets_what_was_handled_first_and_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Finished events go first, the oldest before the others; then those that failed."""
    caplog.set_level(logging.WARNING)
    store = MemoryStore(max_events=3)
    failed = store.claim("failed", "d", 60).token
    store.failed("failed", failed, "why")
    keys = [handle(store, number) for number in range(4)]
    assert [store.get(key) is not None for key in keys] == [False, False, True, True]
    assert store.get("failed") is not None
    for name in "abc":
        store.claim(name, "d", 60)
    assert store.stats() == {"claimed": 3}
    assert len(caplog.records) == 1
    assert "max_events" in caplog.text


def test_a_store_full_of_live_claims_refuses_one_more() -> None:
    """What is being handled is never forgotten: the sender is asked to come again."""
    store = MemoryStore(max_events=2)
    tokens = {name: store.claim(name, "d", 60).token for name in "ab"}
    with pytest.raises(StoreUnavailable, match="full"):
        store.claim("c", "d", 60)
    assert store.done("a", tokens["a"])
    assert store.claim("c", "d", 60).status == "claimed"
    assert store.renew("b", tokens["b"], 60)


@pytest.mark.parametrize("most", [0, -1, 1.5, "10", None, True])
def test_a_bound_that_is_no_whole_number_is_refused(most: Any) -> None:
    """The mistake is told when the store is made."""
    with pytest.raises(ConfigurationError, match="max_events"):
        MemoryStore(max_events=most)


def test_find_and_purge_hold_the_lock_for_a_part_of_the_events() -> None:
    """Between two parts a delivery can be claimed, however many events are stored."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    for number in range(3000):
        handle(store, number)
    clock.advance(10)
    held: list[int] = []
    lock = store._lock

    class Counting:
        def __enter__(self) -> None:
            lock.acquire()
            self.calls = 0

        def __exit__(self, *_: object) -> None:
            held.append(len(store._finished))
            lock.release()

    vars(store)["_lock"] = Counting()
    assert store.find(Filter(type="none")) == []
    assert len(held) > 5
    held.clear()
    assert store.purge(5, 3000) == 3000
    assert len(held) > 5
    assert all(before - after <= 500 for before, after in itertools.pairwise(held))


def test_find_reads_the_newest_and_no_more() -> None:
    """The newest events of many are unpacked, and not the others."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    keys = []
    for number in range(3000):
        clock.advance(1)
        keys.append(handle(store, number))
    unpacked = 0
    unpack = store._finished._unpack

    def counted(packed: bytes) -> Any:
        nonlocal unpacked
        unpacked += 1
        return unpack(packed)

    vars(store._finished)["_unpack"] = counted
    page = store.find(limit=10)
    assert [record.key for record in page] == keys[:-11:-1]
    assert unpacked <= 1100
    unpacked = 0
    far = store.find(limit=1, after=page[-1]._replace(touched_at=1_700_000_500.5))
    assert [record.key for record in far] == [keys[499]]
    assert unpacked <= 1100


def test_a_clock_that_goes_back_leaves_the_order_of_find() -> None:
    """Events are found by their times, also where those are not the order of settling."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    keys = []
    for number in range(1500):
        clock.advance(-1 if number % 3 else 1)
        keys.append((clock.now, handle(store, number)))
    expected = [key for _, key in sorted(keys, reverse=True)]
    found = store.find(limit=1000)
    found += store.find(limit=1000, after=found[-1])
    assert [record.key for record in found] == expected


def test_an_event_that_was_forgotten_and_handled_again_has_the_new_place() -> None:
    """Purging goes by when it was handled last."""
    clock = Clock()
    store = MemoryStore(clock=clock)
    first = handle(store, 1)
    store.forget(first)
    clock.advance(10)
    second = handle(store, 2)
    clock.advance(10)
    assert handle(store, 1) == first
    assert [record.key for record in store.find()] == [first, second]
    assert store.purge(5) == 1
    assert [record.key for record in store.find()] == [first]


def test_threads_that_handle_find_and_purge_at_once_lose_nothing() -> None:
    """Reading in parts while others write neither fails nor shows an event twice."""
    store = MemoryStore()
    errors: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                keys = [record.key for record in store.find(limit=5000)]
                assert len(keys) == len(set(keys))
                store.purge(3600)
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        keys = {handle(store, number) for number in range(1500)}
    finally:
        stop.set()
        reader.join()
    assert errors == []
    assert {record.key for record in store.find(limit=5000)} == keys
