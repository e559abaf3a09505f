"""`sweep`: what an engine lost is dispatched again, on demand."""

import time
from typing import Any

import pytest
from click.testing import CliRunner

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.stores.memory import MemoryStore

SECRET = "a-secret-for-tests"


class Engine:
    def __init__(self) -> None:
        self.took: list[dict[str, Any]] = []

    def dispatch(self, message: dict[str, Any]) -> None:
        self.took.append(message)


@pytest.mark.parametrize(
    ("count", "command"), [(0, ["sweep"]), (1, ["events", "sweep"]), (250, ["sweep"])]
)
def test_what_was_lost_is_dispatched_again(count: int, command: list[str]) -> None:
    """Every event that was handed over long ago is handed over again, and counted."""
    engine, store = Engine(), MemoryStore(clock=lambda: time.time() - back[0])
    back = [10_000.0]
    receiver = Receiver(SECRET, store=store, dispatcher=engine, router=Router())
    for number in range(count):
        body = b'{"id": "evt_%d", "type": "ping"}' % number
        assert receiver.receive(body, sign(body, SECRET)).outcome == "queued"
    back[0] = 0
    engine.took.clear()
    ran = CliRunner().invoke(commands, command, obj=Source(store, receiver))
    assert (ran.exit_code, ran.stdout) == (0, f"{count} dispatched again\n")
    assert len(engine.took) == count


@pytest.mark.parametrize(
    ("receiver", "said"),
    [
        (None, "--app myapp.webhooks:receiver"),
        (Receiver(SECRET, store="memory:"), "this Receiver has no engine"),
    ],
    ids=["no", "inline"],
)
def test_a_dispatcher_is_needed(receiver: Receiver | None, said: str) -> None:
    """Without a receiver that hands over there is nothing to sweep, and the text says so."""
    ran = CliRunner().invoke(commands, ["sweep"], obj=Source(MemoryStore(), receiver))
    assert ran.exit_code == 2
    assert said in ran.stderr
