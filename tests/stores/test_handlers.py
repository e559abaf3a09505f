"""What a receiver promises in every store: what has finished does not run again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.django_databases import migrated
from tests.servers.preloaded import Preloaded
from tests.stores.phases import expected, run_phases

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.stores import Store, open_store
from coffrify_webhooks_django import DjangoStore

SECRET = "whsec_" + "ab" * 32
NAMES = ("one", "two", "three")
URLS = ("memory", "sqlite", "sql-sqlite", "postgresql", "mariadb", "valkey")


def url_of(name: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if name in ("postgresql", "mariadb"):
        server = request.getfixturevalue("postgres" if name == "postgresql" else name)
        return str(server.database("handlers"))
    if name == "valkey":
        return f"redis://127.0.0.1:{request.getfixturevalue('valkey').port}/7"
    prefix = {"memory": "memory:", "sqlite": "sqlite:///", "sql-sqlite": "sqlite+pysqlite:///"}
    return prefix[name] + (f"{folder}/store.db" if name != "memory" else "")


@pytest.fixture(params=[*URLS, "django"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as stack:
        if request.param == "django":
            stack.enter_context(migrated("file", tmp_path / "django.db"))
            yield DjangoStore("file")
            return
        made = open_store(url_of(request.param, request, tmp_path))
        stack.callback(made.close)
        for record in made.find(limit=1000):
            made.forget(record.key)
        yield made


class Rig:
    """Three handlers, of which those in `broken` fail."""

    def __init__(self, store: Store) -> None:
        self.runs: list[str] = []
        self.broken = {"two"}
        router = Router()
        for name in NAMES:
            router.on("*", name=name, allow_unknown=True)(self.handler(name))
        self.receiver = Receiver(SECRET, store=store, router=router)

    def handler(self, name: str) -> Callable[[Any], None]:
        def handle(event: Any) -> None:
            self.runs.append(name)
            if name in self.broken:
                raise ValueError(name)

        return handle

    def deliver(self, event_id: str = "evt_1") -> str:
        body = b'{"id": "%s", "type": "ping"}' % event_id.encode()
        headers = sign(body, SECRET)
        only = {"X-Coffrify-Signature": headers["X-Coffrify-Signature"]}
        return self.receiver.receive(body, only).outcome


def test_one_failed_handler_of_three(store: Store) -> None:
    """The retry runs only the one that failed, and the next delivery none."""
    rig = Rig(store)
    assert rig.deliver() == "failed"
    rig.broken.clear()
    assert rig.deliver() == "handled"
    assert rig.deliver() == "duplicate"
    assert rig.runs == ["one", "two", "three", "two"]


def test_replay_of_one_failed_handler_of_three(store: Store) -> None:
    """So does a replay, from the body that the store has kept."""
    rig = Rig(store)
    rig.deliver()
    rig.broken.clear()
    assert rig.receiver.replay("evt_1") == "handled"
    assert rig.runs == ["one", "two", "three", "two"]


@pytest.mark.parametrize("other", ["evt_A", "evt_a ", " evt_a", "evt_a\\u0000", "evt_\\u00e4"])
def test_ids_that_look_alike_stay_apart(store: Store, other: str) -> None:
    """Ids that differ by case, a space, a NUL or an accent are two events."""
    rig = Rig(store)
    rig.broken.clear()
    assert rig.deliver("evt_a") == "handled"
    assert rig.deliver(other) == "handled"
    assert rig.deliver(other) == "duplicate"


def test_an_enormous_id_and_type(store: Store) -> None:
    """An id and a type of 100,000 characters are kept as far as they fit, and recognised whole."""
    rig = Rig(store)
    rig.broken.clear()
    body = b'{"id": "%s", "type": "%s"}' % (b"i" * 100_000, b"t\\u0000" * 20_000)
    headers = {"X-Coffrify-Signature": sign(body, SECRET)["X-Coffrify-Signature"]}
    assert rig.receiver.receive(body, headers).outcome == "handled"
    assert rig.receiver.receive(body, headers).outcome == "duplicate"
    (record,) = store.find()
    assert len(record.id) == len(record.type) == 255


DIES = """
import os, sys
from coffrify_webhooks import Receiver, Router, sign
router = Router()
secret, url, runs = sys.argv[1:]
def note(name):
    with open(runs, "a") as file:
        file.write(name + "\\n")
@router.on("*", name="one")
def one(event): note("one")
@router.on("*", name="two")
def two(event):
    note("two")
    if not os.environ.get("LIVES"):
        os._exit(9)
@router.on("*", name="three")
def three(event): note("three")
body = b'{"id": "evt_dies", "type": "ping"}'
receiver = Receiver(secret, store=url, router=router, lease=0.5)
while (outcome := receiver.receive(body, sign(body, secret)).outcome) == "busy":
    pass
print(outcome)
"""


@pytest.mark.parametrize("name", URLS[1:])
def test_a_process_that_dies_between_handlers(
    name: str,
    request: pytest.FixtureRequest,
    preloaded: Preloaded,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What had finished before the process died does not run again, in any store."""
    url = url_of(name, request, tmp_path)
    if name == "valkey":
        store = open_store(url)
        for record in store.find(limit=1000):
            store.forget(record.key)
        store.close()
    command = [sys.executable, "-c", DIES, SECRET, url, str(tmp_path / "runs")]
    assert preloaded.run(*command).returncode == 9
    monkeypatch.setenv("LIVES", "1")
    assert preloaded.run(*command).stdout == "handled\n"
    assert (tmp_path / "runs").read_text().split() == ["one", "two", "two", "three"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["sqlite", "sql-sqlite", "postgresql", "mariadb"])
def test_of_eight_processes_one_claims_each_id(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Of eight processes that claim the same ids, each id goes to one, in each of six phases."""
    url = url_of(name, request, tmp_path)
    assert run_phases("tests.stores.phases:patient_store", url) == expected()
