"""Who gets an event, for how long, and what a claim of the past may do."""

import threading
from collections.abc import Callable

import pytest

from coffrify_webhooks.stores import Claim, Store

from .base import EACH_CALL, Advance, Contract

__all__ = ["ClaimContract"]


class ClaimContract(Contract):
    """Who gets an event, for how long, and what a claim of the past may do."""

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

    # --- threads -----------------------------------------------------------------------------

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
            except BaseException as error:  # told below
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sorted(won) == sorted(f"k{number}" for number in range(50))
