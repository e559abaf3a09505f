"""A user's own catalog: its generated package works with Receiver, beside the bundled one."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coffrify_webhooks import ConfigurationError, Receiver, Router, UnknownEvent, sign
from coffrify_webhooks.router import default_router
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import load

SECRET = "a-secret-for-tests"
CATALOG = {
    "data": [
        {
            "type": "invoice.paid",
            "schema": {
                "type": "object",
                "required": ["amount"],
                "properties": {"amount": {"type": "integer"}},
            },
        },
        {
            "type": "transfer.created",
            "schema": {"type": "object", "properties": {"mine": {"type": "string"}}},
        },
    ]
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The package `myapp.coffrify_events`, generated and imported."""
    monkeypatch.setattr(default_router, "_handlers", {})
    monkeypatch.setattr(default_router, "_matches", {})
    package.write(load(CATALOG), tmp_path / "myapp" / "coffrify_events")
    (tmp_path / "myapp" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    routers = dict(__import__("coffrify_webhooks.router").router._routers)
    yield importlib.import_module("myapp.coffrify_events")
    for name in [name for name in sys.modules if name.partition(".")[0] == "myapp"]:
        del sys.modules[name]
    kept = importlib.import_module("coffrify_webhooks.router")._routers
    kept.clear()
    kept.update(routers)


def deliver(receiver: Receiver, body: bytes) -> Any:
    return receiver.receive(body, sign(body, SECRET))


@pytest.mark.parametrize("by_name", [True, False])
def test_its_classes_reach_its_handlers(own: Any, *, by_name: bool) -> None:
    """Events of the own catalog are parsed by its classes and reach handlers of its `on`."""
    seen: list[Any] = []

    @own.on("invoice.paid")
    def paid(event: Any) -> None:
        seen.append(event)

    events = own.__name__ if by_name else own
    receiver = Receiver(SECRET, events=events, store="memory:")
    body = b'{"id":"evt_1","type":"invoice.paid","data":{"amount":5}}'
    assert deliver(receiver, body).outcome == "handled"
    assert type(seen[0]) is own.InvoicePaid
    assert seen[0].data.amount == 5


def test_it_comes_before_the_bundled_classes(own: Any) -> None:
    """A type that both know is of the own class; one that only the bundled know, of theirs."""
    receiver = Receiver(SECRET, events=own, store="memory:")
    own.on("*")(lambda event: None)
    created = deliver(receiver, b'{"id":"evt_1","type":"transfer.created","data":{"mine":"x"}}')
    assert type(created.event) is own.TransferCreated
    ping = deliver(receiver, b'{"id":"evt_2","type":"ping"}').event
    assert type(ping).__module__ == "coffrify_webhooks.events.ping"
    assert type(deliver(receiver, b'{"id":"evt_3","type":"no.such"}').event) is UnknownEvent


def test_the_default_router_is_not_touched(own: Any) -> None:
    """Handlers of the own `on` are not the default router's, nor the other way round."""
    before = len(default_router)
    own.on("invoice.paid")(lambda event: None)
    assert len(default_router) == before
    with pytest.raises(ConfigurationError, match="invoice"):
        default_router.on("invoice.paid")


def test_the_bundled_package_belongs_to_the_default_router() -> None:
    """`coffrify_webhooks.events.on` is `coffrify_webhooks.on`."""
    from coffrify_webhooks import events, on

    assert events.on == on


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"events": "no.such.package"}, "codegen"),
        ({"events": "json"}, "codegen"),
        ({"events": 5}, "package"),
        ({"events": "coffrify_webhooks.events", "router": Router()}, "give one of them"),
    ],
    ids=str,
)
def test_what_is_no_such_package_is_refused(options: dict[str, Any], says: str) -> None:
    """A mistake in events= is told when the receiver is made."""
    with pytest.raises(ConfigurationError, match=says):
        Receiver(SECRET, store="memory:", **options)


def test_types_are_checked(own: ModuleType, tmp_path: Path) -> None:
    """mypy strict accepts the package, and a handler of the wrong event is an error."""
    (tmp_path / "use.py").write_text(
        "from myapp.coffrify_events import InvoicePaid, TransferCreated, on\n"
        "@on('invoice.paid')\n"
        "def good(event: InvoicePaid) -> int: return event.data.amount\n"
        "@on('invoice.paid')\n"
        "def bad(event: TransferCreated) -> None: ...\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "myapp", "use.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in run.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, run.stdout
    assert errors[0].startswith("use.py:4")


def test_handlers_of_the_default_router_run_too(own: Any) -> None:
    """A handler registered with the library's own `on` is not forgotten beside an own catalog."""
    seen: list[str] = []
    receiver = Receiver(SECRET, events=own, store="memory:")
    body = b'{"id":"evt_1","type":"transfer.created","data":{}}'
    assert deliver(receiver, body).outcome == "unavailable"
    default_router.on("transfer.created", name="bundled")(lambda event: seen.append("bundled"))
    own.on("*", name="own")(lambda event: seen.append("own"))
    assert deliver(receiver, body).outcome == "handled"
    assert seen == ["bundled", "own"]
