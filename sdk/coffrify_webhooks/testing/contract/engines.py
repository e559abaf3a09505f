"""What is an engine's: queued, running, and what comes back by hand."""

import pytest

from coffrify_webhooks.stores import Claim, Store

from .base import Advance, Contract

__all__ = ["EngineContract"]


class EngineContract(Contract):
    """What is an engine's: queued, running, and what comes back by hand."""

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

    # --- by hand -----------------------------------------------------------------------------

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
