"""`keys`: when each secret signed last, as all processes have noted it in the store."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks import Receiver, Router, Secret, sign
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.errors import StoreUnavailable
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

NEW, OLD, OTHER = ("whsec_" + digits * 24 for digits in ("0d", "1e", "2f"))
NOW = 1_800_000_000.0


class Process:
    """A receiver of its own on the file that all share."""

    def __init__(self, path: Path, *secrets: Any, at: float) -> None:
        self.now = at
        self.store = SQLiteStore(path, clock=lambda: self.now)
        router = Router()
        router.on("*", allow_unknown=True, name="handler")(lambda event: None)
        self.receiver = Receiver(
            list(secrets), router=router, store=self.store, clock=lambda: self.now
        )

    def deliver(self, secret: str, *, asynchronously: bool = False) -> None:
        body = b'{"id": "evt_%d", "type": "ping"}' % self.now
        headers = sign(body, secret, timestamp=self.now)
        if asynchronously:
            reply = asyncio.run(self.receiver.receive_async(body, headers))
        else:
            reply = self.receiver.receive(body, headers)
        assert reply.outcome == "handled"

    def keys(self, *words: str) -> Result:
        source = Source(self.store, self.receiver)
        ran = CliRunner().invoke(commands, ["keys", *words], obj=source)
        assert ran.exit_code == 0, ran.output
        return ran

    def uses(self) -> dict[str, str | None]:
        return {
            each["secret"]: each["last_used"] for each in json.loads(self.keys("--json").stdout)
        }


@pytest.mark.parametrize("asynchronously", [False, True])
def test_a_use_is_known_to_all_processes(tmp_path: Path, *, asynchronously: bool) -> None:
    """Also where the list of secrets has another order, as after a rotation."""
    before = Process(tmp_path / "store.db", Secret(OLD, label="2025"), at=NOW)
    before.deliver(OLD, asynchronously=asynchronously)
    secrets = [Secret(NEW, label="2026"), Secret(OLD, label="2025"), Secret(OTHER)]
    after = Process(tmp_path / "store.db", *secrets, at=NOW + 600)
    after.deliver(NEW, asynchronously=asynchronously)
    assert after.uses() == {
        "2026": "2027-01-15T08:10:00.000Z",
        "2025": "2027-01-15T08:00:00.000Z",
        "2": None,
    }
    before.store.close()
    after.store.close()


def test_a_table_for_people(tmp_path: Path) -> None:
    now = time.time()
    secrets = [Secret(NEW), Secret(OLD, label="2025", not_after=now + 86_460)]
    process = Process(tmp_path / "store.db", *secrets, at=now - 3660)
    process.deliver(OLD)
    head, new, old = process.keys().stdout.splitlines()
    assert head.split() == ["SECRET", "LAST", "USED", "ENDS"]
    assert new.split("  ")[0] == "0"
    assert "not in the last 30 d, as far as recorded" in new
    assert old.split()[:4] == ["2025", "1", "h", "ago"]
    assert NEW not in process.keys("--json").stdout
    process.store.close()


def test_a_use_is_noted_once_a_minute(tmp_path: Path) -> None:
    """And the later of two processes' times stays, whoever writes last."""
    first, second = (Process(tmp_path / "store.db", NEW, OLD, at=at) for at in (NOW + 120, NOW))
    first.deliver(OLD)
    second.deliver(OLD)
    assert second.uses()["1"] == "2027-01-15T08:02:00.000Z"
    second.now = NOW + 59
    second.deliver(OLD)
    first.now = NOW + 179
    first.deliver(OLD)
    assert first.uses()["1"] == "2027-01-15T08:02:00.000Z"
    first.now = NOW + 180
    first.deliver(OLD)
    assert first.uses()["1"] == "2027-01-15T08:03:00.000Z"
    first.store.close()
    second.store.close()


class _NoNotes(MemoryStore):
    """Keeps events, and fails to keep anything else."""

    asked = 0

    def lock(self, mark: str, lease: float, /) -> Any:
        self.asked += 1
        raise StoreUnavailable("the marks are gone")


def test_a_note_that_fails_costs_no_event() -> None:
    """Nor is a secret noted that is alone, without a label and without an end."""
    for secrets, asked in (([NEW, OLD], 1), ([NEW], 0), ([Secret(NEW, label="2026")], 1)):
        store, router = _NoNotes(), Router()
        router.on("*", allow_unknown=True)(lambda event: None)
        receiver = Receiver(secrets, router=router, store=store)
        for number in range(3):
            body = b'{"id": "evt_%d", "type": "ping"}' % number
            assert receiver.receive(body, sign(body, NEW)).outcome == "handled"
        assert store.asked == asked


def test_the_receiver_is_asked_for_where_none_is_named() -> None:
    """Only it knows the secrets."""
    store = MemoryStore()
    ran = CliRunner().invoke(commands, ["keys"], obj=Source(store, None))
    assert ran.exit_code == 2
    assert "--app myapp.webhooks" in ran.stderr
    assert "keys" in embedded.lazy


def test_a_module_of_handlers_alone_knows_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the stand-in for its receiver would have a secret that never signed."""
    process = Process(tmp_path / "store.db", NEW, at=NOW)
    process.deliver(NEW)
    process.store.close()
    (tmp_path / "handlers_alone.py").write_text("import coffrify_webhooks\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["keys", "--app", "handlers_alone", "--store", "sqlite:///store.db"]
    ran = CliRunner().invoke(commands, words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "name the Receiver that has the secrets" in ran.stderr


@pytest.mark.parametrize("secret", [NEW, Secret(NEW, label="2026"), Secret(NEW, not_after=NOW)])
def test_of_a_secret_that_is_alone_it_is_said_that_it_is_not_noted(
    tmp_path: Path, secret: Any
) -> None:
    """Else its last use beside another would be taken for the last of all."""
    process = Process(tmp_path / "store.db", secret, at=NOW - 60)
    process.deliver(NEW)
    assert ("while it is the only secret" in process.keys().stderr) == isinstance(secret, str)
    process.store.close()
