"""`keys`: when each secret signed last, by what the store has of all processes."""

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks import Event, Receiver, Router, Secret, sign
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.stores import Filter
from coffrify_webhooks.stores.sqlite import SQLiteStore

NEW, OLD, OTHER = ("whsec_" + digits * 24 for digits in ("0d", "1e", "2f"))


class Clock:
    now = time.time() - 7200

    def __call__(self) -> float:
        return self.now


class Shop:
    def __init__(self, path: Path) -> None:
        self.clock, self.outcome = Clock(), "handled"
        self.store = SQLiteStore(path, clock=self.clock)
        router = Router()
        router.on("*", name="handler")(self.handle)
        secrets = [
            Secret(NEW, label="2026"),
            Secret(OLD, label="2025", not_after=time.time() + 86_400),
            Secret(OTHER),
        ]
        self.receiver = Receiver(secrets, router=router, store=self.store, clock=self.clock)

    def handle(self, event: Event) -> None:
        if self.outcome == "failed":
            raise LookupError

    def deliver(self, number: int, secret: str) -> None:
        body = b'{"id": "evt_%d", "type": "ping", "data": {}}' % number
        headers = sign(body, secret, timestamp=self.clock.now)
        assert self.receiver.receive(body, headers).outcome == self.outcome

    def run(self, *words: str) -> Result:
        source = Source(self.store, self.receiver)
        ran = CliRunner().invoke(commands, ["keys", *words], obj=source)
        assert ran.exit_code == 0, ran.output
        return ran


@pytest.fixture
def shop(tmp_path: Path):
    shop = Shop(tmp_path / "store.db")
    yield shop
    shop.store.close()


def test_each_secret_is_told_with_its_last_use(shop: Shop) -> None:
    """The latest event counts, whatever its secret; a secret that signed none says since when."""
    for number, secret in enumerate([OLD, NEW, OLD, NEW, NEW]):
        shop.deliver(number, secret)
        shop.clock.now += 1200
    head, first, second, third = shop.run().stdout.splitlines()
    assert head.split() == ["SECRET", "LAST", "USED", "EXPIRES"]
    assert first.split() == ["2026", "40", "min", "ago", "never"]
    assert second.split()[:5] == ["2025", "1", "h", "ago", "in"]
    assert third.split() == ["2", "not", "in", "the", "last", "2", "h", "never"]
    assert NEW not in shop.run("--json").stdout


def test_a_program_reads_the_times(shop: Shop) -> None:
    shop.deliver(1, OLD)
    new, old, _ = json.loads(shop.run("--json").stdout)
    assert (new["secret"], new["last_used"]) == ("2026", None)
    assert old["last_used"] == new["looked_back_to"]
    assert old["expires"].endswith("Z")


def test_an_empty_store_claims_nothing(shop: Shop) -> None:
    assert shop.run().stdout.count("no event is stored") == 3


def test_a_late_change_of_an_old_event_is_no_later_use(shop: Shop) -> None:
    """Its handler failed and was run again: what counts is when it came."""
    shop.outcome = "failed"
    shop.deliver(1, OLD)
    shop.outcome = "handled"
    shop.clock.now += 3600
    shop.deliver(2, NEW)
    [failed] = shop.store.find(Filter(statuses=("failed",)))
    record = shop.store.get(failed.key)
    assert record is not None
    assert shop.receiver.replay(record) == "handled"
    assert shop.run().stdout.splitlines()[2].split()[1:4] == ["2", "h", "ago"]


def test_the_receiver_is_asked_for_where_none_is_named() -> None:
    """Only it knows the secrets."""
    ran = CliRunner().invoke(commands, ["keys"], obj=Source(SQLiteStore(":memory:"), None))
    assert ran.exit_code == 2
    assert "--app myapp.webhooks" in ran.stderr
    assert "keys" in embedded.lazy
