"""What is kept of an event."""

import pytest

from coffrify_webhooks.stores import Store

from .base import ABOUT, NASTY, Advance, Contract

__all__ = ["RecordContract"]


class RecordContract(Contract):
    """What is kept of an event."""

    def test_a_record_says_what_came(self, store: Store) -> None:
        """A claimed event is on record: what it is, when it came, and that it is being handled."""
        self.claim(store)
        record = store.get("k")
        assert record is not None
        assert record[:6] == ("k", "main", "k", "transfer.created", "claimed", 1)
        assert record.received_at == record.touched_at < record.lease_until
        assert (record.digest, record.finished, record.error) == ("d", frozenset(), "")
        assert (record.delivery, record.body) == (ABOUT.delivery, None)

    def test_the_unknown_has_no_record(self, store: Store) -> None:
        """What never came, was released or forgotten, is not on record."""
        self.claim(store, "a")
        store.release("k", self.claim(store).token)
        assert store.get("k") is None
        store.forget("a")
        assert store.get("a") is None
        assert store.find() == []

    @pytest.mark.parametrize("how", ["failed", "dead"])
    def test_a_failure_is_on_record(self, store: Store, how: str) -> None:
        """A failed or dead event keeps its error, its body, and what has finished."""
        token = self.claim(store).token
        store.checkpoint("k", token, "app:one")
        assert getattr(store, how)("k", token, "app:two raised ValueError", NASTY)
        record = store.get("k")
        assert record is not None
        assert (record.status, record.error) == (how, "app:two raised ValueError")
        assert record.finished == {"app:one"}
        assert (record.body, record.lease_until) == (NASTY, 0)

    @pytest.mark.parametrize("how", ["failed", "dead"])
    def test_what_failed_can_be_claimed_at_once(self, store: Store, how: str) -> None:
        """A failed event, and a dead one, is handled again, less what has finished."""
        token = self.claim(store).token
        store.checkpoint("k", token, "app:one")
        getattr(store, how)("k", token, "why")
        again = self.claim(store)
        assert again.status == "claimed"
        assert again.finished == {"app:one"}

    def test_done_drops_error_and_body(self, store: Store) -> None:
        """Once an event is handled, neither its body nor an old error is kept."""
        store.failed("k", self.claim(store).token, "why", b"{}")
        store.done("k", self.claim(store).token)
        record = store.get("k")
        assert record is not None
        assert (record.status, record.error, record.body) == ("done", "", None)

    def test_a_body_stays_until_done(self, store: Store) -> None:
        """A body given with the claim is kept through every attempt."""
        web = self.claim(store, body=NASTY).token
        store.queued("k", web)
        worker = self.claim(store, token=web).token
        store.queued("k", worker, "why")
        record = store.get("k")
        assert record is not None
        assert (record.body, record.error, record.status) == (NASTY, "why", "queued")

    def test_released_after_a_failure_stays_failed(self, store: Store) -> None:
        """Giving a claim back unused leaves what an earlier attempt recorded."""
        store.failed("k", self.claim(store).token, "why", b"{}")
        store.release("k", self.claim(store).token)
        record = store.get("k")
        assert record is not None
        assert (record.status, record.error, record.body) == ("failed", "why", b"{}")

    def test_attempts_are_counted(self, store: Store, advance: Advance) -> None:
        """Each start of the handlers counts, a crashed one too."""
        assert self.claim(store).attempts == 1
        advance(self.lease)
        second = self.claim(store)
        assert second.attempts == 2
        store.failed("k", second.token, "why")
        assert self.claim(store).attempts == 3

    def test_handing_over_is_no_attempt(self, store: Store) -> None:
        """The claim of the web process spends nothing; each of a worker does."""
        web = self.claim(store).token
        store.queued("k", web)
        first = self.claim(store, token=web)
        assert first.attempts == 1
        store.queued("k", first.token, "why")
        assert self.claim(store, token=web).attempts == 2

    def test_a_worker_before_the_mark_is_one_attempt(self, store: Store) -> None:
        """A worker that takes the event out of the web process's hand counts once."""
        web = self.claim(store).token
        assert self.claim(store, token=web).attempts == 1

    def test_a_dead_event_starts_anew(self, store: Store) -> None:
        """What is replayed after its death has all its attempts again."""
        store.dead("k", self.claim(store).token, "why")
        assert self.claim(store).attempts == 1

    def test_received_once(self, store: Store, advance: Advance) -> None:
        """The time of arrival is that of the first delivery, whatever happens later."""
        self.claim(store)
        first = store.get("k")
        advance(self.lease)
        self.claim(store)
        again = store.get("k")
        assert first is not None
        assert again is not None
        assert again.received_at == first.received_at
        assert again.touched_at >= first.touched_at + self.lease * 0.99

    def test_conflict_is_kept(self, store: Store) -> None:
        """Another body of a handled event is kept once, as the bytes it was, and is not claimed."""
        store.done("k", self.claim(store).token)
        store.conflict("other", "d1", ABOUT, NASTY)
        store.conflict("other", "d1", ABOUT, b"again")
        record = store.get("other")
        assert record is not None
        assert (record.status, record.body, record.attempts) == ("conflict", NASTY, 0)
        assert self.claim(store, "other", "d2").status == "conflict"
        assert self.claim(store).status == "done"

    def test_a_conflict_grows_old(self, store: Store, advance: Advance) -> None:
        """Conflicts and dead letters are purged like the rest."""
        store.conflict("c", "d1", ABOUT, b"x")
        store.dead("k", self.claim(store).token, "why", b"x")
        advance(self.age)
        assert store.purge(self.age / 2) == 2
        assert store.stats() == {}

    def test_a_stale_message_raises_no_dead(self, store: Store) -> None:
        """A worker's message finds a dead event settled; a delivery, or a hand, takes it."""
        web = self.claim(store).token
        store.queued("k", web)
        store.dead("k", self.claim(store, token=web).token, "why")
        assert self.claim(store, token=web).status == "done"
        assert self.claim(store, token="").status == "claimed"

    @pytest.mark.parametrize("how", ["failed", "expire"])
    def test_a_body_belongs_to_its_digest(self, store: Store, advance: Advance, how: str) -> None:
        """Once another body is handled, the earlier one is no longer kept, so no replay runs it."""
        token = self.claim(store, digest="first", body=b"first").token
        if how == "failed":
            store.failed("k", token, "why")
        else:
            advance(self.lease)
        again = self.claim(store, digest="second")
        record = store.get("k")
        assert record is not None
        assert (record.digest, record.body) == ("second", None)
        store.failed("k", again.token, "why", b"second")
        record = store.get("k")
        assert record is not None
        assert record.body == b"second"
