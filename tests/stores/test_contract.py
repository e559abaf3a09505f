"""What every store promises: one suite, run against each, with a clock that the test sets."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coffrify_webhooks.stores import Claim, Store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

LEASE = 60.0
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore(clock=clock)
    else:
        made = SQLiteStore(tmp_path / "store.db", clock=clock)
    yield made
    made.close()


def claim(store: Store, key: str = "k", digest: str = "d", token: str | None = None) -> Claim:
    return store.claim(key, digest, LEASE, token)


def letters(store: Store) -> list[tuple[str, str, str, bytes]]:
    """Every dead letter, read behind the protocol's back: it has no method for that yet."""
    if isinstance(store, MemoryStore):
        return store.dead_letters
    assert isinstance(store, SQLiteStore)
    with store._database() as database:
        rows = database.execute("SELECT key, digest, reason, body FROM dead_letters ORDER BY rowid")
        return [tuple(row) for row in rows]


def test_is_a_store(store: Store) -> None:
    """The built-in stores satisfy the public protocol."""
    assert isinstance(store, Store)


# --- claim ------------------------------------------------------------------------------------


def test_first_claim_is_ours(store: Store) -> None:
    """A new event is claimed, with a token and nothing finished."""
    first = claim(store)
    assert first.status == "claimed"
    assert first.token
    assert first.finished == frozenset()


def test_tokens_are_never_the_same(store: Store) -> None:
    """Each claim has a token of its own, that of another key or of an earlier claim never."""
    tokens = [claim(store, key).token for key in "abcdefgh"]
    store.release("a", tokens[0])
    tokens.append(claim(store, "a").token)
    assert len(set(tokens)) == len(tokens)


def test_second_claim_is_busy(store: Store) -> None:
    """While the lease is live, nobody else gets the event, and no token is given out."""
    claim(store)
    assert claim(store) == Claim("busy")


def test_busy_whatever_the_body(store: Store) -> None:
    """Another body under an id that is being handled is busy, not yet a conflict."""
    claim(store)
    assert claim(store, digest="other").status == "busy"


def test_keys_are_apart(store: Store) -> None:
    """A claim on one event says nothing of another."""
    claim(store, "a")
    assert claim(store, "b").status == "claimed"


def test_busy_to_the_last_moment_of_the_lease(store: Store, clock: Clock) -> None:
    """A lease holds for its whole length and not a moment longer."""
    claim(store)
    clock.now += LEASE - 0.01
    assert claim(store).status == "busy"
    clock.now += 0.01
    assert claim(store).status == "claimed"


def test_renew_extends_from_now(store: Store, clock: Clock) -> None:
    """A renewed claim is live for the given time from the renewal on."""
    token = claim(store).token
    clock.now += LEASE - 1
    assert store.renew("k", token, LEASE)
    clock.now += LEASE - 1
    assert claim(store).status == "busy"
    clock.now += 1
    assert claim(store).status == "claimed"


def test_late_renewal_of_an_untaken_claim(store: Store, clock: Clock) -> None:
    """A lease that ended without anybody taking the event can be taken up again by its holder."""
    token = claim(store).token
    clock.now += LEASE + 1
    assert store.renew("k", token, LEASE)
    assert claim(store).status == "busy"


def test_done_is_done(store: Store, clock: Clock) -> None:
    """A settled event answers `done` for good, however late."""
    token = claim(store).token
    assert store.done("k", token)
    clock.now += 20 * DAY
    assert claim(store) == Claim("done")


def test_conflict(store: Store) -> None:
    """A settled event with another body is a conflict; with its own body it stays done."""
    store.done("k", claim(store).token)
    assert claim(store, digest="other") == Claim("conflict")
    assert claim(store).status == "done"


@pytest.mark.parametrize("end", ["release", "expire", "release with a checkpoint"])
def test_done_remembers_the_body_that_was_handled(store: Store, clock: Clock, end: str) -> None:
    """After a failed attempt with one body, the body handled later is the one that counts."""
    token = claim(store, digest="first").token
    if end == "expire":
        clock.now += LEASE
    else:
        if end != "release":
            store.checkpoint("k", token, "one")
        store.release("k", token)
    store.done("k", claim(store, digest="second").token)
    assert claim(store, digest="second").status == "done"
    assert claim(store, digest="first").status == "conflict"


# --- release and checkpoints ------------------------------------------------------------------


def test_released_is_free_at_once(store: Store) -> None:
    """A released event can be claimed before the lease would have ended."""
    assert store.release("k", claim(store).token)
    assert claim(store).status == "claimed"


def test_release_leaves_nothing(store: Store) -> None:
    """A released event without checkpoints is as unknown as one that never came."""
    store.release("k", claim(store).token)
    assert store.forget("k") is False


@pytest.mark.parametrize("end", ["release", "expire"])
def test_checkpoints_outlive_the_claim(store: Store, clock: Clock, end: str) -> None:
    """Whether the holder released or died, the next one learns which handlers have finished."""
    token = claim(store).token
    assert store.checkpoint("k", token, "app:one")
    assert store.checkpoint("k", token, "app:two")
    if end == "release":
        store.release("k", token)
    else:
        clock.now += LEASE
    assert claim(store).finished == {"app:one", "app:two"}


def test_checkpoints_add_up_over_attempts(store: Store) -> None:
    """Each attempt's checkpoints are added to those before."""
    for name in ("one", "two", "three"):
        token = claim(store).token
        store.checkpoint("k", token, name)
        store.release("k", token)
    assert claim(store).finished == {"one", "two", "three"}


def test_checkpoint_twice(store: Store) -> None:
    """The same checkpoint again is true and changes nothing."""
    token = claim(store).token
    assert store.checkpoint("k", token, "one")
    assert store.checkpoint("k", token, "one")
    store.release("k", token)
    assert claim(store).finished == {"one"}


def test_checkpoints_belong_to_one_event(store: Store) -> None:
    """What finished for one event has not finished for another."""
    token = claim(store, "a").token
    store.checkpoint("a", token, "one")
    assert claim(store, "b").finished == frozenset()


# --- fencing ----------------------------------------------------------------------------------

CALLS: list[tuple[str, Callable[[Store, str], Any]]] = [
    ("renew", lambda store, token: store.renew("k", token, LEASE)),
    ("checkpoint", lambda store, token: store.checkpoint("k", token, "late")),
    ("done", lambda store, token: store.done("k", token)),
    ("queued", lambda store, token: store.queued("k", token)),
    ("release", lambda store, token: store.release("k", token)),
]
EACH_CALL = pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[n for n, _ in CALLS])


@EACH_CALL
def test_late_token_can_do_nothing(
    store: Store, clock: Clock, call: Callable[[Store, str], bool]
) -> None:
    """A holder whose lease ended and was taken over is told False and changes nothing."""
    late = claim(store).token
    clock.now += LEASE
    ours = claim(store).token
    assert call(store, late) is False
    assert claim(store).status == "busy"
    assert store.release("k", ours)
    assert claim(store).finished == frozenset()


@EACH_CALL
def test_late_token_does_not_move_the_lease(
    store: Store, clock: Clock, call: Callable[[Store, str], bool]
) -> None:
    """What a late holder tries does not lengthen or shorten the new holder's lease."""
    late = claim(store).token
    clock.now += LEASE
    claim(store)
    clock.now += LEASE - 1
    call(store, late)
    assert claim(store).status == "busy"
    clock.now += 1
    assert claim(store).status == "claimed"


@EACH_CALL
@pytest.mark.parametrize("end", ["done", "queued", "release", "forget"])
def test_spent_token_can_do_nothing(
    store: Store, call: Callable[[Store, str], bool], end: str
) -> None:
    """Once settled, released or forgotten, a token is worth nothing, not even to its holder."""
    token = claim(store).token
    if end == "forget":
        store.forget("k")
    else:
        getattr(store, end)("k", token)
    before = claim(store).status
    assert call(store, token) is False
    if end in ("done", "queued"):
        assert claim(store).status == before == end


@EACH_CALL
@pytest.mark.parametrize("token", ["", "x", "0" * 32])
def test_made_up_token_can_do_nothing(
    store: Store, call: Callable[[Store, str], bool], token: str
) -> None:
    """Neither an empty nor an invented token does anything, on known and unknown events."""
    assert call(store, token) is False
    claim(store)
    assert call(store, token) is False
    assert claim(store).status == "busy"


# --- queued, running --------------------------------------------------------------------------


def test_queued_is_the_engines(store: Store, clock: Clock) -> None:
    """A queued event is refused to deliveries, however long it waits, and given to a worker."""
    token = claim(store).token
    assert store.queued("k", token)
    clock.now += 10 * DAY
    assert claim(store) == Claim("queued")
    assert claim(store, token=token).status == "claimed"


def test_worker_is_fenced_from_the_web(store: Store) -> None:
    """The worker's claim has a token of its own; the web process's does nothing any more."""
    web = claim(store).token
    worker = claim(store, token=web).token
    assert worker not in ("", web)
    assert store.queued("k", web) is False
    assert store.done("k", worker)


def test_worker_may_come_before_queued_is_marked(store: Store) -> None:
    """With the message's token a worker takes the web's live claim; another token does not."""
    web = claim(store).token
    assert claim(store, token="f" * 32) == Claim("busy")
    assert claim(store, token=web).status == "claimed"


def test_empty_token_takes_no_live_claim(store: Store) -> None:
    """An empty message token opens nothing that a delivery holds."""
    claim(store)
    assert claim(store, token="").status == "busy"


def test_running_counts_as_queued(store: Store, clock: Clock) -> None:
    """What runs on an engine is the engine's, for deliveries, even after a worker died."""
    web = claim(store).token
    store.queued("k", web)
    claim(store, token=web)
    assert claim(store) == Claim("queued")
    clock.now += LEASE
    assert claim(store) == Claim("queued")


def test_one_worker_at_a_time(store: Store, clock: Clock) -> None:
    """A second worker is refused while the first is live, and let in when its lease has ended."""
    web = claim(store).token
    store.queued("k", web)
    first = claim(store, token=web).token
    assert claim(store, token=web).status == "queued"
    clock.now += LEASE
    second = claim(store, token=web)
    assert second.status == "claimed"
    assert store.done("k", first) is False
    assert store.done("k", second.token)


def test_worker_gives_back_to_the_engine(store: Store) -> None:
    """A worker leaves an event queued, its checkpoints kept: deliveries do not get it."""
    web = claim(store).token
    store.queued("k", web)
    worker = claim(store, token=web).token
    store.checkpoint("k", worker, "one")
    assert store.queued("k", worker)
    assert claim(store).status == "queued"
    again = claim(store, token=web)
    assert again.status == "claimed"
    assert again.finished == {"one"}


def test_what_a_worker_releases_is_free(store: Store) -> None:
    """A worker that releases an event leaves it to any delivery."""
    web = claim(store).token
    store.queued("k", web)
    assert store.release("k", claim(store, token=web).token)
    assert claim(store).status == "claimed"


def test_worker_meets_a_settled_event(store: Store) -> None:
    """A message that comes twice finds the event done, or in conflict if its body is another."""
    web = claim(store).token
    store.queued("k", web)
    store.done("k", claim(store, token=web).token)
    assert claim(store, token=web).status == "done"
    assert claim(store, digest="other", token=web).status == "conflict"


def test_worker_claims_what_is_unknown(store: Store) -> None:
    """A message outlives its claim: forgotten or released, its event is run all the same."""
    web = claim(store).token
    store.release("k", web)
    assert claim(store, token=web).status == "claimed"


# --- forget, bury, purge ----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["claimed", "done", "queued", "free"])
def test_forget(store: Store, state: str) -> None:
    """A forgotten event is new again, checkpoints included, whatever its state was."""
    token = claim(store).token
    store.checkpoint("k", token, "one")
    if state in ("done", "queued"):
        getattr(store, state)("k", token)
    elif state == "free":
        store.release("k", token)
    assert store.forget("k") is True
    again = claim(store, digest="other")
    assert (again.status, again.finished) == ("claimed", frozenset())


def test_forget_the_unknown(store: Store) -> None:
    """Forgetting what is not known is False, and leaves others alone."""
    claim(store, "a")
    assert store.forget("k") is False
    assert claim(store, "a").status == "busy"


def test_bury(store: Store) -> None:
    """Each body of an event is kept once, as the bytes it was, with the first reason."""
    nasty = bytes(range(256))
    store.bury("k", "d1", "conflict", nasty)
    store.bury("k", "d1", "again", nasty)
    store.bury("k", "d2", "conflict", b"")
    assert letters(store) == [("k", "d1", "conflict", nasty), ("k", "d2", "conflict", b"")]


def test_bury_changes_no_claim(store: Store) -> None:
    """A dead letter settles nothing."""
    store.bury("k", "d", "conflict", b"x")
    assert claim(store).status == "claimed"


def test_purge_drops_the_old(store: Store, clock: Clock) -> None:
    """Only what is older than told goes, counted, and is then new again."""
    store.done("old", claim(store, "old").token)
    clock.now += 10
    store.done("new", claim(store, "new").token)
    clock.now += DAY
    assert store.purge(DAY + 5) == 1
    assert claim(store, "new").status == "done"
    assert claim(store, "old").status == "claimed"


def test_purge_counts_age_from_the_settlement(store: Store, clock: Clock) -> None:
    """A handler that took long does not make its event old."""
    token = claim(store).token
    clock.now += DAY
    store.renew("k", token, LEASE)
    store.done("k", token)
    clock.now += 10
    assert store.purge(DAY) == 0
    assert claim(store).status == "done"


@pytest.mark.parametrize("state", ["queued", "running"])
def test_purge_spares_the_engines(store: Store, clock: Clock, state: str) -> None:
    """What an engine still has is not dropped, however old: it was acknowledged."""
    web = claim(store).token
    store.queued("k", web)
    if state == "running":
        claim(store, token=web)
    clock.now += 100 * DAY
    assert store.purge(DAY) == 0
    assert claim(store).status == "queued"


def test_purge_spares_a_live_claim(store: Store, clock: Clock) -> None:
    """An event that is being handled is not dropped, however long that takes."""
    token = claim(store).token
    clock.now += 100 * DAY
    store.renew("k", token, LEASE)
    assert store.purge(DAY) == 0
    assert claim(store).status == "busy"


def test_purge_drops_checkpoints_too(store: Store, clock: Clock) -> None:
    """An old event whose attempts all failed goes whole."""
    token = claim(store).token
    store.checkpoint("k", token, "one")
    store.release("k", token)
    clock.now += 2 * DAY
    assert store.purge(DAY) == 1
    assert claim(store).finished == frozenset()


def test_purge_is_bounded(store: Store, clock: Clock) -> None:
    """One purge drops `limit` events at most, so that no delivery waits long for it."""
    for number in range(25):
        store.done(f"k{number}", claim(store, f"k{number}").token)
    clock.now += 2 * DAY
    assert [store.purge(DAY, limit=10) for _ in range(4)] == [10, 10, 5, 0]


def test_close_is_no_end(store: Store) -> None:
    """Closing twice is fine, and lets go of connections, not of what is known."""
    store.done("k", claim(store).token)
    store.close()
    store.close()
    assert claim(store).status == "done"


@pytest.mark.parametrize("how", ["forget", "purge"])
def test_what_is_dropped_takes_its_checkpoints_along(store: Store, clock: Clock, how: str) -> None:
    """After forget or purge no handler counts as finished, also when the event is claimed again."""
    token = claim(store).token
    store.checkpoint("k", token, "one")
    store.done("k", token)
    clock.now += 1000
    assert store.forget("k") if how == "forget" else store.purge(500) == 1
    store.release("k", claim(store).token)
    assert claim(store).finished == frozenset()


@pytest.mark.parametrize("how", ["done", "release"])
def test_a_long_lease_does_not_outlive_its_settlement(store: Store, clock: Clock, how: str) -> None:
    """What is settled can be purged, however long its lease was."""
    token = store.claim("k", "d", 1e9).token
    store.checkpoint("k", token, "one")
    getattr(store, how)("k", token)
    clock.now += 1000
    assert store.purge(500) == 1
