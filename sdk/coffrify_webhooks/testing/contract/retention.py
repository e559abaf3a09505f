"""What is forgotten, and when."""

import pytest

from coffrify_webhooks.stores import Store

from .base import Advance, Contract

__all__ = ["RetentionContract"]


class RetentionContract(Contract):
    """What is forgotten, and when."""

    @pytest.mark.parametrize("state", ["claimed", "done", "queued", "free"])
    def test_forget(self, store: Store, state: str) -> None:
        """A forgotten event is new again, checkpoints included, whatever its state was."""
        token = self.claim(store).token
        store.checkpoint("k", token, "one")
        if state in ("done", "queued"):
            getattr(store, state)("k", token)
        elif state == "free":
            store.release("k", token)
        assert store.forget("k") is True
        again = self.claim(store, digest="other")
        assert (again.status, again.finished) == ("claimed", frozenset())

    def test_forget_the_unknown(self, store: Store) -> None:
        """Forgetting what is not known is False, and leaves others alone."""
        self.claim(store, "a")
        assert store.forget("k") is False
        assert self.claim(store, "a").status == "busy"

    def test_purge_drops_the_old(self, store: Store, advance: Advance) -> None:
        """Only what is older than told goes, counted, and is then new again."""
        store.done("old", self.claim(store, "old").token)
        advance(self.age / 2)
        store.done("new", self.claim(store, "new").token)
        advance(self.age)
        assert store.purge(self.age * 1.25) == 1
        assert self.claim(store, "new").status == "done"
        assert self.claim(store, "old").status == "claimed"

    def test_purge_counts_age_from_the_settlement(self, store: Store, advance: Advance) -> None:
        """A handler that took long does not make its event old."""
        token = self.claim(store).token
        advance(self.age)
        store.renew("k", token, self.lease)
        store.done("k", token)
        advance(self.age / 2)
        assert store.purge(self.age) == 0
        assert self.claim(store).status == "done"

    @pytest.mark.parametrize("state", ["queued", "running"])
    def test_purge_spares_the_engines(self, store: Store, advance: Advance, state: str) -> None:
        """What an engine still has is not dropped, however old: it was acknowledged."""
        web = self.claim(store).token
        store.queued("k", web)
        if state == "running":
            self.claim(store, token=web)
        advance(2 * self.age)
        assert store.purge(self.age) == 0
        assert self.claim(store).status == "queued"

    def test_purge_spares_a_live_claim(self, store: Store, advance: Advance) -> None:
        """An event that is being handled is not dropped, however long that takes."""
        token = self.claim(store).token
        advance(2 * self.age)
        store.renew("k", token, self.lease)
        assert store.purge(self.age) == 0
        assert self.claim(store).status == "busy"

    def test_purge_drops_checkpoints_too(self, store: Store, advance: Advance) -> None:
        """An old event whose attempts all failed goes whole."""
        token = self.claim(store).token
        store.checkpoint("k", token, "one")
        store.release("k", token)
        advance(2 * self.age)
        assert store.purge(self.age) == 1
        assert self.claim(store).finished == frozenset()

    def test_purge_is_bounded(self, store: Store, advance: Advance) -> None:
        """One purge drops `limit` events at most, so that no delivery waits long for it."""
        for number in range(25):
            store.done(f"k{number}", self.claim(store, f"k{number}").token)
        advance(2 * self.age)
        assert [store.purge(self.age, limit=10) for _ in range(4)] == [10, 10, 5, 0]

    def test_close_is_no_end(self, store: Store) -> None:
        """Closing twice is fine, and lets go of connections, not of what is known."""
        store.done("k", self.claim(store).token)
        store.close()
        store.close()
        assert self.claim(store).status == "done"

    @pytest.mark.parametrize("how", ["forget", "purge"])
    def test_what_is_dropped_takes_its_checkpoints_along(
        self, store: Store, advance: Advance, how: str
    ) -> None:
        """After forget or purge no handler counts as finished, also when claimed again."""
        token = self.claim(store).token
        store.checkpoint("k", token, "one")
        store.done("k", token)
        advance(self.age)
        assert store.forget("k") if how == "forget" else store.purge(self.age / 2) == 1
        store.release("k", self.claim(store).token)
        assert self.claim(store).finished == frozenset()

    @pytest.mark.parametrize("how", ["done", "release"])
    def test_a_long_lease_does_not_outlive_its_settlement(
        self, store: Store, advance: Advance, how: str
    ) -> None:
        """What is settled can be purged, however long its lease was."""
        token = store.claim("k", "d", 1e9).token
        store.checkpoint("k", token, "one")
        getattr(store, how)("k", token)
        advance(self.age)
        assert store.purge(self.age / 2) == 1
