"""Eight processes claim the same events through six phases: who gets what is known exactly."""

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any, NamedTuple

from tests.budgets import budget

from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import Store, open_store
from coffrify_webhooks.stores.sqlite import SQLiteStore

__all__ = ["PHASES", "Phase", "expected", "run_phases"]

IDS = budget(50, 500)
PHASES: tuple[str, ...] = ("fresh", "held", "expired", "queued, web", "queued, worker", "done")
_LEASE = 600.0
_SHORT = 0.5
_PATIENCE = 240.0
_MESSAGE = "0" * 32
"""A worker's token: what is queued is given to any."""


class Phase(NamedTuple):
    """What came of one phase."""

    ids: int
    """How many ids somebody got."""
    claimants: int
    """How often an id was got; more than `ids` would be somebody too many."""
    answers: dict[str, int]
    """How often each answer was given."""


def expected(processes: int = 8, ids: int = IDS) -> dict[str, Phase]:
    """Return what every store must answer."""
    calls, losers = processes * ids, (processes - 1) * ids
    return {
        "fresh": Phase(ids, ids, {"claimed": ids, "busy": losers}),
        "held": Phase(0, 0, {"busy": calls}),
        "expired": Phase(ids, ids, {"claimed": ids, "busy": losers}),
        "queued, web": Phase(0, 0, {"queued": calls}),
        "queued, worker": Phase(ids, ids, {"claimed": ids, "queued": losers}),
        "done": Phase(0, 0, {"done": calls}),
    }


def patient_store(url: str) -> Store:
    """Open a store; one in a file waits for its turn as long as a loaded machine needs."""
    if url.startswith("sqlite:///"):
        return SQLiteStore(url.removeprefix("sqlite:///"), timeout=120)
    return open_store(url)


def run_phases(make: str, *args: Any, processes: int = 8, ids: int = IDS) -> dict[str, Phase]:
    """Run the phases on the store that `make`, a "module:function", returns when given `args`.

    Each process makes its own store. Raises what a process raised.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, make.partition(":")[0], "sqlalchemy", "psycopg"])
    with ProcessPoolExecutor(
        processes, context, initializer=_begin, initargs=(context.Barrier(processes),)
    ) as pool:
        work = [pool.submit(_work, make, args, ids, number) for number in range(processes)]
        results = _results([each.exception() for each in work], work)
    return {phase: _summed([each[phase] for each in results]) for phase in PHASES}


def _results(failures: list[BaseException | None], work: list[Any]) -> list[Any]:
    """Raise the first failure, not that of those who then waited in vain."""
    raised = [each for each in failures if each is not None]
    raised.sort(key=lambda error: isinstance(error, BrokenBarrierError))
    if raised:
        raise raised[0]
    return [each.result() for each in work]


def _summed(answers: list[dict[str, str]]) -> Phase:
    winners = Counter(key for each in answers for key, got in each.items() if got == "claimed")
    counts = Counter(got for each in answers for got in each.values())
    return Phase(len(winners), winners.total(), dict(counts))


_barrier: Barrier


def _begin(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - a barrier reaches a process only at its start
    _barrier = barrier


def _work(make: str, args: tuple[Any, ...], ids: int, number: int) -> dict[str, dict[str, str]]:
    module, _, name = make.partition(":")
    function: Callable[..., Store] = getattr(import_module(module), name)
    try:
        store = function(*args)
        keys = [key_of("phases", f"evt_{each}") for each in range(ids)]
        random.Random(number).shuffle(keys)
        phases = dict(zip(PHASES, _answers(store, keys), strict=True))
        store.close()
    except BaseException:
        _barrier.abort()  # the others need not wait
        raise
    return phases


def _answers(store: Store, keys: list[str]) -> Iterator[dict[str, str]]:
    """Yield each phase's answers; what is done after a yield prepares the next phase."""
    mine: dict[str, str] = {}

    def claim_all(token: str | None = None) -> dict[str, str]:
        _barrier.wait(_PATIENCE)
        answers: dict[str, str] = {}
        for key in keys:
            claim = store.claim(key, "d", _LEASE, token)
            answers[key] = claim.status
            if claim.status == "claimed":
                mine[key] = claim.token
        _barrier.wait(_PATIENCE)
        return answers

    yield claim_all()
    yield claim_all()
    for key, token in mine.items():
        assert store.renew(key, token, _SHORT)
    mine.clear()
    time.sleep(_SHORT * 2)  # the store's clock is not ours to set
    yield claim_all()
    for key, token in mine.items():
        assert store.queued(key, token)
    mine.clear()
    yield claim_all()
    yield claim_all(_MESSAGE)
    for key, token in mine.items():
        assert store.done(key, token)
    yield claim_all()
