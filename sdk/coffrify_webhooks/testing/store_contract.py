"""What every store promises, as a test suite: subclass it, and prove your own store with it.

    from coffrify_webhooks.testing.store_contract import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore("...")
            yield store
            store.close()

The `store` of each test starts empty. Where the store's clock can be set, override the fixture
`advance` as well, and the suite does not wait; else it does, for some tens of seconds in all.
Needs pytest.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from coffrify_webhooks.stores import About, Claim, Filter, Record, Store

__all__ = ["Advance", "StoreContract"]

Advance: TypeAlias = Callable[[float], None]
"""Lets so many seconds pass for the store."""


ABOUT = About("main", "evt_1", "transfer.created", '{"id":"evt_1","test":false}')
NASTY = bytes(range(256))
ODD_NAMES = (
    "app:it's",
    'app:"two"',
    "app:caf\u00e9",
    "app:\U0001f4e6",
    "app:a%sb",
    "app:c\\d",
    "x" * 300,
)

CALLS: list[tuple[str, Callable[[Store, str], Any]]] = [
    ("renew", lambda store, token: store.renew("k", token, 60.0)),
    ("checkpoint", lambda store, token: store.checkpoint("k", token, "late")),
    ("done", lambda store, token: store.done("k", token)),
    ("queued", lambda store, token: store.queued("k", token)),
    ("failed", lambda store, token: store.failed("k", token, "late")),
    ("dead", lambda store, token: store.dead("k", token, "late")),
    ("release", lambda store, token: store.release("k", token)),
]
EACH_CALL = pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[n for n, _ in CALLS])


class StoreContract:
    """Each test states one promise of `coffrify_webhooks.Store`."""

    lease: float = 1.0
    """Seconds; how long the suite's claims hold. Where `advance` really waits, keep it short."""
    age: float = 2.0
    """Seconds; what counts as old here. Longer than the lease."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """Give the store to be proved, empty. To be overridden."""
        raise NotImplementedError("override the fixture `store`: it yields your store, empty")

    @pytest.fixture
    def advance(self) -> Advance:
        """Let time pass."""
        return time.sleep

    def claim(
        self,
        store: Store,
        key: str = "k",
        digest: str = "d",
        token: str | None = None,
        body: bytes | None = None,
    ) -> Claim:
        """Claim an event for one lease."""
        return store.claim(key, digest, self.lease, token, ABOUT._replace(id=key), body)

    def test_is_a_store(self, store: Store) -> None:
        """The built-in stores satisfy the public protocol."""
        assert isinstance(store, Store)

    # --- claim -------------------------------------------------------------------------------

    def test_first_claim_is_ours(self, store: Store) -> None:
        """A new event is claimed, with a token and nothing finished."""
        first = self.claim(store)
        assert first.status == "claimed"
        assert first.token
        assert first.finished == frozenset()

    def test_tokens_are_never_the_same(self, store: Store) -> None:
        """Each claim has a token of its own, that of another key or of an earlier claim never."""
        tokens = [self.claim(store, key).token for key in "abcdefgh"]
        store.release("a", tokens[0])
        tokens.append(self.claim(store, "a").token)
        assert len(set(tokens)) == len(tokens)

    def test_second_claim_is_busy(self, store: Store) -> None:
        """While the lease is live, nobody else gets the event, and no token is given out."""
        self.claim(store)
        assert self.claim(store) == Claim("busy")

    def test_busy_whatever_the_body(self, store: Store) -> None:
        """Another body under an id that is being handled is busy, not yet a conflict."""
        self.claim(store)
        assert self.claim(store, digest="other").status == "busy"

    def test_keys_are_apart(self, store: Store) -> None:
        """A claim on one event says nothing of another."""
        self.claim(store, "a")
        assert self.claim(store, "b").status == "claimed"

    def test_busy_to_the_last_moment_of_the_lease(self, store: Store, advance: Advance) -> None:
        """A lease holds for its whole length and not a moment longer."""
        self.claim(store)
        advance(self.lease / 2)
        assert self.claim(store).status == "busy"
        advance(self.lease / 2)
        assert self.claim(store).status == "claimed"

    def test_renew_extends_from_now(self, store: Store, advance: Advance) -> None:
        """A renewed claim is live for the given time from the renewal on."""
        token = self.claim(store).token
        advance(self.lease / 2)
        assert store.renew("k", token, self.lease)
        advance(self.lease / 2)
        assert self.claim(store).status == "busy"
        advance(self.lease / 2)
        assert self.claim(store).status == "claimed"

    def test_late_renewal_of_an_untaken_claim(self, store: Store, advance: Advance) -> None:
        """A lease that ended, and that nobody took over, can be taken up again by its holder."""
        token = self.claim(store).token
        advance(self.lease * 1.5)
        assert store.renew("k", token, self.lease)
        assert self.claim(store).status == "busy"

    def test_done_is_done(self, store: Store, advance: Advance) -> None:
        """A settled event answers `done` for good, however late."""
        token = self.claim(store).token
        assert store.done("k", token)
        advance(2 * self.age)
        assert self.claim(store) == Claim("done")

    def test_conflict(self, store: Store) -> None:
        """A settled event with another body is a conflict; with its own body it stays done."""
        store.done("k", self.claim(store).token)
        assert self.claim(store, digest="other") == Claim("conflict")
        assert self.claim(store).status == "done"

    @pytest.mark.parametrize("end", ["release", "expire", "release with a checkpoint"])
    def test_done_remembers_the_body_that_was_handled(
        self, store: Store, advance: Advance, end: str
    ) -> None:
        """After a failed attempt with one body, the body handled later is the one that counts."""
        token = self.claim(store, digest="first").token
        if end == "expire":
            advance(self.lease)
        else:
            if end != "release":
                store.checkpoint("k", token, "one")
            store.release("k", token)
        store.done("k", self.claim(store, digest="second").token)
        assert self.claim(store, digest="second").status == "done"
        assert self.claim(store, digest="first").status == "conflict"

    # --- release and checkpoints -------------------------------------------------------------

    def test_released_is_free_at_once(self, store: Store) -> None:
        """A released event can be claimed before the lease would have ended."""
        assert store.release("k", self.claim(store).token)
        assert self.claim(store).status == "claimed"

    def test_release_leaves_nothing(self, store: Store) -> None:
        """A released event without checkpoints is as unknown as one that never came."""
        store.release("k", self.claim(store).token)
        assert store.forget("k") is False

    @pytest.mark.parametrize("end", ["release", "expire"])
    def test_checkpoints_outlive_the_claim(self, store: Store, advance: Advance, end: str) -> None:
        """Whether the holder released or died, the next one learns which handlers have finished."""
        token = self.claim(store).token
        assert store.checkpoint("k", token, "app:one")
        assert store.checkpoint("k", token, "app:two")
        if end == "release":
            store.release("k", token)
        else:
            advance(self.lease)
        assert self.claim(store).finished == {"app:one", "app:two"}

    def test_checkpoints_add_up_over_attempts(self, store: Store) -> None:
        """Each attempt's checkpoints are added to those before."""
        for name in ("one", "two", "three"):
            token = self.claim(store).token
            store.checkpoint("k", token, name)
            store.release("k", token)
        assert self.claim(store).finished == {"one", "two", "three"}

    def test_checkpoint_twice(self, store: Store) -> None:
        """The same checkpoint again is true and changes nothing."""
        token = self.claim(store).token
        assert store.checkpoint("k", token, "one")
        assert store.checkpoint("k", token, "one")
        store.release("k", token)
        assert self.claim(store).finished == {"one"}

    def test_checkpoints_belong_to_one_event(self, store: Store) -> None:
        """What finished for one event has not finished for another."""
        token = self.claim(store, "a").token
        store.checkpoint("a", token, "one")
        assert self.claim(store, "b").finished == frozenset()

    # --- fencing -----------------------------------------------------------------------------

    @EACH_CALL
    def test_late_token_can_do_nothing(
        self, store: Store, advance: Advance, call: Callable[[Store, str], bool]
    ) -> None:
        """A holder whose lease ended and was taken over is told False and changes nothing."""
        late = self.claim(store).token
        advance(self.lease)
        ours = self.claim(store).token
        assert call(store, late) is False
        assert self.claim(store).status == "busy"
        assert store.release("k", ours)
        assert self.claim(store).finished == frozenset()

    @EACH_CALL
    def test_late_token_does_not_move_the_lease(
        self, store: Store, advance: Advance, call: Callable[[Store, str], bool]
    ) -> None:
        """What a late holder tries does not lengthen or shorten the new holder's lease."""
        late = self.claim(store).token
        advance(self.lease)
        self.claim(store)
        advance(self.lease / 2)
        call(store, late)
        assert self.claim(store).status == "busy"
        advance(self.lease / 2)
        assert self.claim(store).status == "claimed"

    @EACH_CALL
    @pytest.mark.parametrize("end", ["done", "queued", "release", "forget"])
    def test_spent_token_can_do_nothing(
        self, store: Store, call: Callable[[Store, str], bool], end: str
    ) -> None:
        """Once settled, released or forgotten, a token is worth nothing, not even to its holder."""
        token = self.claim(store).token
        if end == "forget":
            store.forget("k")
        else:
            getattr(store, end)("k", token)
        before = self.claim(store).status
        assert call(store, token) is False
        if end in ("done", "queued"):
            assert self.claim(store).status == before == end

    @EACH_CALL
    @pytest.mark.parametrize("token", ["", "x", "0" * 32])
    def test_made_up_token_can_do_nothing(
        self, store: Store, call: Callable[[Store, str], bool], token: str
    ) -> None:
        """Neither an empty nor an invented token does anything, on known and unknown events."""
        assert call(store, token) is False
        self.claim(store)
        assert call(store, token) is False
        assert self.claim(store).status == "busy"

    # --- queued, running ---------------------------------------------------------------------

    def test_queued_is_the_engines(self, store: Store, advance: Advance) -> None:
        """A queued event is refused to deliveries, however long it waits, and given to a worker."""
        token = self.claim(store).token
        assert store.queued("k", token)
        advance(2 * self.age)
        assert self.claim(store) == Claim("queued")
        assert self.claim(store, token=token).status == "claimed"

    def test_worker_is_fenced_from_the_web(self, store: Store) -> None:
        """The worker's claim has a token of its own; the web process's does nothing any more."""
        web = self.claim(store).token
        worker = self.claim(store, token=web).token
        assert worker not in ("", web)
        assert store.queued("k", web) is False
        assert store.done("k", worker)

    def test_worker_may_come_before_queued_is_marked(self, store: Store) -> None:
        """With the message's token a worker takes a live claim; another token does not."""
        web = self.claim(store).token
        assert self.claim(store, token="f" * 32) == Claim("busy")
        assert self.claim(store, token=web).status == "claimed"

    def test_empty_token_takes_no_live_claim(self, store: Store) -> None:
        """An empty message token opens nothing that a delivery holds."""
        self.claim(store)
        assert self.claim(store, token="").status == "busy"

    def test_running_counts_as_queued(self, store: Store, advance: Advance) -> None:
        """What runs on an engine is the engine's, for deliveries, even after a worker died."""
        web = self.claim(store).token
        store.queued("k", web)
        self.claim(store, token=web)
        assert self.claim(store) == Claim("queued")
        advance(self.lease)
        assert self.claim(store) == Claim("queued")

    def test_one_worker_at_a_time(self, store: Store, advance: Advance) -> None:
        """A second worker is refused while the first is live, and let in after its lease."""
        web = self.claim(store).token
        store.queued("k", web)
        first = self.claim(store, token=web).token
        assert self.claim(store, token=web).status == "queued"
        advance(self.lease)
        second = self.claim(store, token=web)
        assert second.status == "claimed"
        assert store.done("k", first) is False
        assert store.done("k", second.token)

    def test_worker_gives_back_to_the_engine(self, store: Store) -> None:
        """A worker leaves an event queued, its checkpoints kept: deliveries do not get it."""
        web = self.claim(store).token
        store.queued("k", web)
        worker = self.claim(store, token=web).token
        store.checkpoint("k", worker, "one")
        assert store.queued("k", worker)
        assert self.claim(store).status == "queued"
        again = self.claim(store, token=web)
        assert again.status == "claimed"
        assert again.finished == {"one"}

    def test_what_a_worker_releases_is_free(self, store: Store) -> None:
        """A worker that releases an event leaves it to any delivery."""
        web = self.claim(store).token
        store.queued("k", web)
        assert store.release("k", self.claim(store, token=web).token)
        assert self.claim(store).status == "claimed"

    def test_worker_meets_a_settled_event(self, store: Store) -> None:
        """A message that comes twice finds the event done, or with another body in conflict."""
        web = self.claim(store).token
        store.queued("k", web)
        store.done("k", self.claim(store, token=web).token)
        assert self.claim(store, token=web).status == "done"
        assert self.claim(store, digest="other", token=web).status == "conflict"

    def test_worker_claims_what_is_unknown(self, store: Store) -> None:
        """A message outlives its claim: forgotten or released, its event is run all the same."""
        web = self.claim(store).token
        store.release("k", web)
        assert self.claim(store, token=web).status == "claimed"

    # --- forget, purge -----------------------------------------------------------------------

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

    # --- what is kept of an event --------------------------------------------------------------

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

    # --- by hand -------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", ["queued", "running", "failed", "dead", "new"])
    def test_by_hand(self, store: Store, advance: Advance, state: str) -> None:
        """With an empty token what an engine has is taken too, and deliveries then hear busy."""
        if state != "new":
            token = self.claim(store).token
            if state in ("failed", "dead"):
                getattr(store, state)("k", token, "why")
            else:
                store.queued("k", token)
            if state == "running":
                self.claim(store, token=token)
                assert self.claim(store, token="").status == "queued"
                advance(self.lease)
        assert self.claim(store, token="").status == "claimed"
        assert self.claim(store).status == "busy"
        advance(self.lease)
        assert self.claim(store).status == "claimed"

    def test_by_hand_takes_nothing_that_is_done(self, store: Store) -> None:
        """An empty token does not open what was handled, whichever body it has."""
        store.done("k", self.claim(store).token)
        assert self.claim(store, token="").status == "done"
        assert self.claim(store, token="", digest="other").status == "conflict"

    def test_over(self, store: Store) -> None:
        """`over` takes what was done with another body, and nothing of it counts as finished."""
        token = self.claim(store).token
        store.checkpoint("k", token, "one")
        store.done("k", token)
        assert store.claim("k", "d", self.lease, "", over=True).status == "done"
        taken = store.claim("k", "other", self.lease, "", over=True)
        assert (taken.status, taken.finished) == ("claimed", frozenset())
        assert store.claim("k", "third", self.lease, "", over=True).status == "busy"
        assert store.done("k", taken.token)
        assert self.claim(store, digest="other").status == "done"

    # --- find, stats ---------------------------------------------------------------------------

    def fill(self, store: Store, advance: Advance) -> None:
        """Give the store five events, touched in this order: a, b, c, d, e."""
        about = ABOUT._replace(receiver="other")
        store.done("a", store.claim("a", "d", self.lease, None, ABOUT._replace(id="a")).token)
        advance(self.age / 8)
        self.claim(store, "b")
        advance(self.age / 8)
        store.failed("c", self.claim(store, "c").token, "why", b"{}")
        advance(self.age / 8)
        token = store.claim("d", "d", self.lease, None, about._replace(id="d")).token
        store.queued("d", token)
        advance(self.age / 8)
        kind = about._replace(id="e", type="transfer.deleted")
        store.dead("e", store.claim("e", "d", self.lease, None, kind).token, "why")

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (Filter(), "edcba"),
            (Filter(receiver="main"), "cba"),
            (Filter(receiver="nobody"), ""),
            (Filter(id="c"), "c"),
            (Filter(type="transfer.created"), "dcba"),
            (Filter(type="transfer.*"), "edcba"),
            (Filter(type="transfer.d*"), "e"),
            (Filter(type="transfer"), ""),
            (Filter(type="*"), "edcba"),
            (Filter(type="transfer_created"), ""),
            (Filter(type="%"), ""),
            (Filter(statuses=("dead",)), "e"),
            (Filter(statuses=("dead", "failed", "conflict")), "ec"),
            (Filter(statuses=("queued", "claimed"), receiver="other", type="transfer.*"), "d"),
        ],
        ids=repr,
    )
    def test_find(self, store: Store, wanted: Filter, expected: str) -> None:
        """A filter finds what it says, what was touched last first."""
        self.fill(store, lambda _: time.sleep(0.002))
        assert "".join(record.key for record in store.find(wanted)) == expected

    def test_find_by_age(self, store: Store, advance: Advance) -> None:
        """`idle` finds what was not touched lately, `recent` what was."""
        self.fill(store, advance)
        since = self.age * 3 / 16
        assert {record.key for record in store.find(Filter(idle=since))} == {"a", "b", "c"}
        assert {record.key for record in store.find(Filter(recent=since))} == {"d", "e"}

    def test_find_page_by_page(self, store: Store, advance: Advance) -> None:
        """Going on after a record gives each record once, equal times or not."""
        for key in "abcdefg":
            self.claim(store, key)
            if key == "c":
                advance(self.lease / 4)
        seen: list[str] = []
        last: Record | None = None
        while found := store.find(limit=2, after=last):
            assert len(found) <= 2
            seen += [record.key for record in found]
            last = found[-1]
        assert sorted(seen) == list("abcdefg")
        assert set(seen[:4]) == set("defg")

    def test_found_records_hold_no_body(self, store: Store) -> None:
        """Looking through events reads no bodies."""
        store.failed("k", self.claim(store).token, "why", b"{}")
        assert [record.body for record in store.find()] == [None]

    def test_stats(self, store: Store, advance: Advance) -> None:
        """Stats count the events of each status."""
        self.fill(store, advance)
        expected = {"done": 1, "claimed": 1, "failed": 1, "queued": 1, "dead": 1}
        assert {status: count for status, count in store.stats().items() if count} == expected

    def test_any_text_is_kept(self, store: Store) -> None:
        """Handler names and errors come back as they were, quotes, umlauts and all."""
        token = self.claim(store).token
        for name in ODD_NAMES:
            assert store.checkpoint("k", token, name)
        store.failed("k", token, " | ".join(ODD_NAMES))
        record = store.get("k")
        assert record is not None
        assert record.finished == set(ODD_NAMES)
        assert record.error == " | ".join(ODD_NAMES)

    # --- threads -------------------------------------------------------------------------------

    def test_one_of_many_threads_gets_it(self, store: Store) -> None:
        """Of eight threads that claim the same fifty events, each event has exactly one winner."""
        won: list[str] = []
        failures: list[BaseException] = []
        start = threading.Barrier(8)

        def work() -> None:
            try:
                start.wait()
                keys = [f"k{number}" for number in range(50)]
                won.extend(k for k in keys if store.claim(k, "d", 60.0).status == "claimed")
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sorted(won) == sorted(f"k{number}" for number in range(50))
