"""Deliveries go on in the middle of whatever the inbox does: it holds no lock they wait for."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.stored_events import SECRET
from tests.inbox.visitor import Visitor

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.inbox import inbox_app
from coffrify_webhooks.stores import Filter, Store
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

PAGES = ("/", "/rows", "/health", "/handlers", "/refused", "/drift")


class Shop:
    """A receiver, its inbox, and deliveries in the middle of each statement of the inbox."""

    def __init__(self, store: Store, other: Store) -> None:
        self.number = 0
        self.failing = True
        self.is_between = False
        self.outcomes: list[str] = []
        router = Router()
        router.on("*", name="any")(self.handle)
        options: dict[str, Any] = {"name": "locks", "router": router, "capture": 5}
        self.receiver = Receiver(SECRET, store=store, **options)
        self.elsewhere = Receiver(SECRET, store=other, **options)
        """Another process."""
        for each in (self.receiver, self.elsewhere):  # no statement of another thread
            each.purge_schedule._next = float("inf")
        app = inbox_app(self.receiver, authorize=lambda _: True, bodies=lambda _: True)
        self.visitor = Visitor(app)

    def handle(self, event: Event) -> None:
        if event.type == "fails.once" and self.failing:
            raise ValueError

    def send(self, receiver: Receiver, type_: str = "made.up") -> str:
        self.number += 1
        body = json.dumps({"id": f"evt_{self.number}", "type": type_, "data": {}}).encode()
        return receiver.receive(body, sign(body, SECRET)).outcome

    def between(self, receiver: Receiver) -> None:
        """Deliver while the inbox is in the middle of a statement."""
        if not self.is_between:
            self.is_between = True
            self.outcomes.append(self.send(receiver))
            self.is_between = False


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    stores: list[Store]
    if request.param == "sqlite":
        stores = [SQLiteStore(tmp_path / "locks.db") for _ in range(2)]
    else:
        url = request.getfixturevalue("postgres").database("locks")
        stores = [SQLStore(url) for _ in range(2)]
    yield Shop(*stores)
    for each in stores:
        each.close()


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Do something after each statement, before what it found is read and its session ends."""

    def begin(work: Callable[[], None]) -> None:
        for kind in (SQLiteStore, SQLStore):
            original: Any = kind._session

            @contextmanager
            def session(self: Any, original: Any = original) -> Generator[Any]:
                with original(self) as execute:

                    def execute_and_work(statement: str, row: Any) -> Any:
                        result = execute(statement, row)
                        work()
                        return result

                    yield execute_and_work

            monkeypatch.setattr(kind, "_session", session)

    return begin


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_delivery_is_handled_in_the_middle_of_every_page(
    shop: Shop, interrupt: Callable[[Callable[[], None]], None], where: str
) -> None:
    """In the same process as the inbox, over the same store object, and in another one."""
    receiver = shop.receiver if where == "here" else shop.elsewhere
    shop.receiver.receive(b"{}", {})
    assert [shop.send(shop.receiver, t) for t in ("made.up", "fails.once")] == [
        "handled",
        "failed",
    ]
    [failed] = shop.receiver.store.find(Filter(statuses=("failed",)))
    assert shop.visitor.get("/").status == 200  # which opens what is not open yet
    interrupt(lambda: shop.between(receiver))
    for path in (*PAGES, f"/event/{failed.key}"):
        shop.outcomes.clear()
        assert shop.visitor.get(path).status == 200
        assert shop.outcomes, path
        assert set(shop.outcomes) == {"handled"}, path


def test_a_delivery_elsewhere_is_handled_in_the_middle_of_an_action(
    shop: Shop, interrupt: Callable[[Callable[[], None]], None]
) -> None:
    """A replay and a forgetting change one row by one statement at a time."""
    assert shop.send(shop.receiver, "fails.once") == "failed"
    shop.failing = False
    [failed] = shop.receiver.store.find(Filter(statuses=("failed",)))
    interrupt(lambda: shop.between(shop.elsewhere))
    for action, said in (("replay", "handled"), ("forget", "forgotten")):
        shop.outcomes.clear()
        answer = shop.visitor.post(f"/{action}", [("key", failed.key), ("confirmed", "yes")])
        assert f">{said}<" in answer.text
        assert shop.outcomes
        assert set(shop.outcomes) == {"handled"}, action
