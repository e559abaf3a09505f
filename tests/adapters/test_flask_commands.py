"""`flask coffrify-webhooks`, as an application's own tests run it: `app.test_cli_runner()`."""

import json
import signal
import threading
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import Result
from flask import Flask, current_app, g
from tests.adapters.suite import SECRET, make_body
from tests.inbox.visitor import Visitor

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.flask import CoffrifyWebhooks, CoffrifyWebhooksMiddleware


class Engine:
    """Takes nothing, and notes for whom its worker was run."""

    def __init__(self) -> None:
        self.worked: list[Receiver] = []

    def dispatch(self, message: Any) -> None:
        raise AssertionError(message)

    def work(self, receiver: Receiver, stop: threading.Event, grace: float) -> bool:
        assert not stop.is_set()
        self.worked.append(receiver)
        return True


@pytest.fixture
def errors() -> list[Exception]:
    return [LookupError(), LookupError()]


@pytest.fixture
def receiver(tmp_path: Any, errors: list[Exception]) -> Iterator[Receiver]:
    """With two events that failed."""
    router = Router()

    @router.on("*", name="handler")
    def handler(event: Event) -> None:
        if errors:
            raise errors.pop()
        click.echo(f"{event.id} {current_app.name} {'used' in g}")
        g.used = True

    made = Receiver(SECRET, router=router, store=f"sqlite:///{tmp_path / 'store.db'}")
    for event_id in "evt_1", "evt_2":
        body = make_body(event_id=event_id)
        assert made.receive(body, sign(body, SECRET)).outcome == "failed"
    yield made
    made.store.close()


def run(app: Flask, *arguments: str, status: int = 0) -> Result:
    ran = app.test_cli_runner().invoke(args=["coffrify-webhooks", *arguments])
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran


def test_each_replayed_event_has_a_context_of_its_own(receiver: Receiver) -> None:
    """As each delivery has: what one event leaves in g, another does not see."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver)
    ran = run(app, "events", "replay", "--failed", "--yes")
    assert ran.stdout.splitlines()[:2] == ["evt_1 shop False", "evt_2 shop False"]


def test_events_list_and_store_init_use_the_applications_store(receiver: Receiver) -> None:
    """No --store and no --app: they are settled by the application."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver)
    lines = run(app, "events", "--json").stdout.splitlines()
    assert {json.loads(line)["id"] for line in lines} == {"evt_1", "evt_2"}
    assert run(app, "store", "init").stdout.endswith("is ready; events: 2\n")
    assert "determined by your settings" in run(app, "events", "--app", "x", status=2).stderr


def test_check_runs_the_applications_handlers(receiver: Receiver) -> None:
    """In its context; the failures of before are not looked at, and the store is left alone."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver)
    assert "ok     handler" in run(app, "check", "--examples", "1").stdout
    assert len(receiver.store.find()) == 2
    receiver.router.on("ping", name="fails")(lambda event: 1 // 0)
    assert "1 failed" in run(app, "check", "--examples", "1", status=1).stdout
    assert "determined by your settings" in run(app, "check", "--app", "x", status=2).stderr


def test_worker_and_sweep_work_for_the_applications_receiver(receiver: Receiver) -> None:
    """They need the application's engine, and say so."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver)
    assert "has no engine" in run(app, "worker", status=2).stderr
    assert "has no engine" in run(app, "sweep", status=2).stderr
    receiver.dispatcher = engine = Engine()
    assert run(app, "sweep").stdout == "0 dispatched again\n"
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        run(app, "worker")
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert engine.worked == [receiver]


def test_drift_and_inbox_are_those_of_the_applications_receiver(
    receiver: Receiver, errors: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay by the inbox runs the handler in the application's context."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver)
    errors.clear()
    body = make_body("made.up", "evt_3")
    assert receiver.receive(body, sign(body, SECRET)).outcome == "handled"
    assert "made.up" in run(app, "catalog", "drift", status=1).stdout
    pages: list[str] = []

    def serve(_host: str, _port: int, wsgi: Any) -> Any:
        visitor = Visitor(wsgi.__self__, scheme="http")
        here = {"HOST": "127.0.0.1", "ORIGIN": "http://127.0.0.1"}
        [first, *_] = [each.key for each in receiver.store.find() if each.status == "failed"]
        pages.append(visitor.get("/", **here).text)
        pages.append(visitor.post("/replay", [("key", first), ("confirmed", "yes")], **here).text)
        raise OSError

    monkeypatch.setattr("coffrify_webhooks.inbox.wsgi.make_server", serve)
    assert "evt_2 shop False" in run(app, "inbox", status=1).stdout
    assert "evt_1" in pages[0]
    assert "<span>handled</span>" in pages[1]


def test_one_of_several_endpoints_is_named_by_its_path(receiver: Receiver) -> None:
    """`--path` says which receiver is meant; without it the paths are told."""
    app = Flask("shop")
    CoffrifyWebhooks(app, receiver, "/one")
    CoffrifyWebhooks(app, Receiver("b-secret-of-tests", store="memory:"), "/two")
    how = "name it before the command: flask coffrify-webhooks --path /one or /two ..."
    assert f"which endpoint? {how}" in run(app, "events", status=2).stderr
    unknown = run(app, "--path", "/three", "events", status=2).stderr
    assert f"there is no endpoint at '/three'; {how}" in unknown
    for path in "/one", "/one/":
        assert "evt_1" in run(app, "--path", path, "events").stdout


def test_the_middlewares_receiver_is_found_too(receiver: Receiver) -> None:
    """An application whose WSGI middleware has the receiver needs no extension."""
    from flask.cli import ScriptInfo

    from coffrify_webhooks_flask.commands import commands

    app = Flask("shop")
    runner = app.test_cli_runner()
    info = ScriptInfo(create_app=lambda: app)
    ran = runner.invoke(commands, ["events"], obj=info)
    assert "'shop' has no Receiver; give it one: CoffrifyWebhooks(app)" in ran.stderr
    app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app, receiver)  # type: ignore[method-assign]
    assert "evt_1" in runner.invoke(commands, ["events"], obj=info).stdout


def test_the_extension_knows_the_receiver_of_its_application() -> None:
    """`CoffrifyWebhooks.receiver` is that of the last application; before, the one given."""
    given = Receiver("a-secret-of-tests", store="memory:")
    assert CoffrifyWebhooks(receiver=given).receiver is given
    webhooks = CoffrifyWebhooks()
    assert webhooks.receiver is None
    app = Flask("shop")
    app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": "a-secret-for-tests", "STORE": "memory:"}
    webhooks.init_app(app)
    assert webhooks.receiver is app.extensions["coffrify_webhooks"]
