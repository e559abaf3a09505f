"""One handler at a time for one object, and how far it has come."""

import threading
from typing import Any, cast

import pytest

from coffrify_webhooks.stores import AsyncOrderedStore, Lock, OrderedStore, Store
from coffrify_webhooks.stores.blocking import async_form
from coffrify_webhooks.stores.drift import (
    SLOTS,
    Drift,
    drift_in,
    mark_of,
    merge,
    read,
    slot_of,
    write,
)
from coffrify_webhooks.text import plain

from .base import ABOUT, ODD_NAMES, Advance, Contract

__all__ = ["OrderContract"]


class OrderContract(Contract):
    """Each test states one promise of `coffrify_webhooks.stores.OrderedStore`.

    A store without these methods is no worse a store: its tests of order are skipped.
    """

    @pytest.fixture
    def ordered(self, store: Store) -> Any:
        """Give the store, if it keeps order."""
        inner = async_form(store)
        if not isinstance(store if inner is None else inner, (OrderedStore, AsyncOrderedStore)):
            pytest.skip("this store keeps no order")
        return store

    def lock(self, ordered: OrderedStore, mark: str = "m") -> Lock:
        """Lock a mark for one lease; it has to be free."""
        lock = ordered.lock(mark, self.lease)
        assert lock is not None
        return lock

    def move(self, ordered: OrderedStore, state: str, mark: str = "m") -> None:
        """Move a mark, as a handler does that has finished."""
        assert ordered.unlock(mark, self.lock(ordered, mark).token, state)

    def test_a_new_mark_has_no_state(self, ordered: OrderedStore) -> None:
        """The first lock is ours, under a token."""
        lock = self.lock(ordered)
        assert lock.token
        assert lock.state is None

    def test_a_locked_mark_is_refused(self, ordered: OrderedStore) -> None:
        """While one holds the lock nobody else gets it, nor is theirs another mark's."""
        self.lock(ordered)
        assert ordered.lock("m", self.lease) is None
        assert self.lock(ordered, "other").token

    def test_an_unlocked_mark_is_free(self, ordered: OrderedStore) -> None:
        """A lock that was given back can be had at once, and under another token."""
        first = self.lock(ordered)
        assert ordered.unlock("m", first.token)
        again = self.lock(ordered)
        assert again.state is None
        assert again.token != first.token

    def test_a_mark_is_written_as_it_is_unlocked(self, ordered: OrderedStore) -> None:
        """Whoever locks it next sees the state, also after a lock that wrote none."""
        self.move(ordered, "1")
        self.move(ordered, "2")
        lock = self.lock(ordered)
        assert lock.state == "2"
        assert ordered.unlock("m", lock.token)
        assert self.lock(ordered).state == "2"

    def test_a_lock_ends_with_its_lease(self, ordered: OrderedStore, advance: Advance) -> None:
        """The lock of a crashed process is free after the lease; what was written stays."""
        self.move(ordered, "1")
        self.lock(ordered)
        advance(self.lease)
        assert self.lock(ordered).state == "1"

    def test_a_renewed_lock_goes_on(self, ordered: OrderedStore, advance: Advance) -> None:
        """A renewal counts from now."""
        lock = self.lock(ordered)
        advance(self.lease * 0.75)
        assert ordered.renew_lock("m", lock.token, self.lease)
        advance(self.lease * 0.75)
        assert ordered.lock("m", self.lease) is None
        assert ordered.unlock("m", lock.token, "1")

    def test_a_mark_is_written_while_it_is_locked(
        self, ordered: OrderedStore, advance: Advance
    ) -> None:
        """What the holder wrote is seen by whoever takes the lock when its lease is over."""
        self.move(ordered, "1")
        lock = self.lock(ordered)
        assert ordered.renew_lock("m", lock.token, self.lease, "2")
        assert ordered.lock("m", self.lease) is None
        assert ordered.renew_lock("m", lock.token, self.lease)
        advance(self.lease)
        heir = self.lock(ordered)
        assert heir.state == "2"
        assert not ordered.renew_lock("m", lock.token, self.lease, "3")
        assert ordered.unlock("m", heir.token, "1")
        assert self.lock(ordered).state == "1"

    @pytest.mark.parametrize("written", [False, True])
    def test_an_empty_state_leaves_no_trace(
        self, ordered: Any, advance: Advance, *, written: bool
    ) -> None:
        """Nothing is left that would have to be purged."""
        if written:
            self.move(ordered, "1")
        lock = self.lock(ordered)
        assert ordered.renew_lock("m", lock.token, self.lease, "2")
        assert ordered.unlock("m", lock.token, "")
        assert ordered.unlock("other", self.lock(ordered, "other").token)
        advance(2 * self.age)
        assert ordered.purge(self.age) == 0
        assert self.lock(ordered).state is None

    def test_whoever_lost_the_lock_moves_nothing(
        self, ordered: OrderedStore, advance: Advance
    ) -> None:
        """Once another has taken it, the token of before renews, moves and unlocks nothing."""
        late = self.lock(ordered)
        advance(self.lease)
        heir = self.lock(ordered)
        assert not ordered.renew_lock("m", late.token, self.lease)
        assert not ordered.unlock("m", late.token)
        assert not ordered.unlock("m", late.token, "9")
        assert ordered.lock("m", self.lease) is None
        assert ordered.unlock("m", heir.token, "1")
        assert self.lock(ordered).state == "1"

    def test_a_lease_that_nobody_took_is_still_ours(
        self, ordered: OrderedStore, advance: Advance
    ) -> None:
        """A lock that has expired is the holder's until another takes it."""
        lock = self.lock(ordered)
        advance(self.lease)
        assert ordered.unlock("m", lock.token, "1")
        assert self.lock(ordered).state == "1"

    @pytest.mark.parametrize("token", ["", "made up"])
    def test_a_made_up_token_is_refused(self, ordered: OrderedStore, token: str) -> None:
        """Neither a mark that is not locked nor one that was never there takes it."""
        self.move(ordered, "1")
        for mark in ("m", "unknown"):
            assert not ordered.renew_lock(mark, token, self.lease)
            assert not ordered.unlock(mark, token)
            assert not ordered.unlock(mark, token, "2")
        assert self.lock(ordered).state == "1"

    def test_a_lock_is_given_back_once(self, ordered: OrderedStore) -> None:
        """The second time it is no longer the token's."""
        token = self.lock(ordered).token
        assert ordered.unlock("m", token, "1")
        assert not ordered.unlock("m", token, "2")
        assert not ordered.renew_lock("m", token, self.lease)

    @pytest.mark.parametrize("state", [*ODD_NAMES, "0", "x" * 5000])
    def test_any_state_comes_back(self, ordered: OrderedStore, state: str) -> None:
        """Whatever the text is."""
        self.move(ordered, state)
        assert self.lock(ordered).state == state

    def test_marks_are_no_events(self, ordered: Any) -> None:
        """They are not found or counted, and an event of the same key is another thing."""
        self.move(ordered, "1", "k")
        self.lock(ordered, "m")
        assert ordered.find() == []
        assert not any(ordered.stats().values())
        assert self.claim(ordered, "k").status == "claimed"
        assert ordered.forget("k")
        assert not ordered.forget("m")
        assert self.lock(ordered, "k").state == "1"

    def test_old_marks_are_purged(self, ordered: Any, advance: Advance) -> None:
        """They are dropped and counted with the events; those of late stay."""
        self.move(ordered, "1", "old")
        ordered.done("k", self.claim(ordered).token)
        advance(self.age)
        self.move(ordered, "1", "new")
        assert ordered.purge(self.age / 2) == 2
        assert self.lock(ordered, "old").state is None
        assert self.lock(ordered, "new").state == "1"

    def test_a_locked_mark_is_not_purged(self, ordered: Any, advance: Advance) -> None:
        """However long its handler takes."""
        self.move(ordered, "1")
        lock = self.lock(ordered)
        advance(2 * self.age)
        assert ordered.renew_lock("m", lock.token, self.lease)
        assert ordered.purge(self.age) == 0
        assert ordered.unlock("m", lock.token)
        assert self.lock(ordered).state == "1"

    def test_a_purge_of_marks_is_bounded(self, ordered: Any, advance: Advance) -> None:
        """One purge drops so many at most, events and marks together."""
        for number in range(12):
            self.move(ordered, "1", f"m{number}")
        for number in range(3):
            token = ordered.claim(f"k{number}", "d", self.lease, None, ABOUT).token
            ordered.done(f"k{number}", token)
        advance(2 * self.age)
        assert [ordered.purge(self.age, limit=10) for _ in range(3)] == [10, 5, 0]

    def test_the_drift_of_a_catalog_is_kept_and_cleared(self, ordered: Any) -> None:
        """As large as its record may grow, and of types with any name; counted on by the next."""
        seen = [
            Drift(plain(f"{number}{name}"), bool(number % 2), 1.5, 2.5, 1, ("data.x: missing",) * 9)
            for number in range(9)
            for name in ODD_NAMES
        ]
        for _ in "12":
            for slot in range(SLOTS):
                mark = mark_of("shop", slot)
                lock = self.lock(ordered, mark)
                new = [each for each in seen if slot_of(each.type) == slot]
                assert ordered.unlock(mark, lock.token, write(merge(read(lock.state), new)))
        found = drift_in(ordered, "shop")
        assert found
        assert {each._replace(deliveries=1, fields=seen[0].fields) for each in found} <= {*seen}
        assert {each.deliveries for each in found} == {2}
        assert drift_in(ordered, "other") == []
        assert drift_in(ordered, "shop", clear=True) == found
        assert drift_in(ordered, "shop") == []

    def test_of_many_threads_one_locks(self, ordered: OrderedStore) -> None:
        """Eight at once get one lock between them."""
        start = threading.Barrier(8)
        found: list[Lock | None] = []

        def take() -> None:
            start.wait()
            found.append(cast("Any", ordered).lock("m", 60.0))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([lock for lock in found if lock is not None]) == 1
