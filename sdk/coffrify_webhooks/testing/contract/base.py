"""What the parts of the contract share: the fixtures to override, and how to claim."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from coffrify_webhooks.stores import About, Claim, Store

__all__ = ["ABOUT", "EACH_CALL", "NASTY", "ODD_NAMES", "Advance", "Contract"]

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


class Contract:
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
