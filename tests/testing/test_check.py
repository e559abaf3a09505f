"""check_handlers and `coffrify-webhooks check`: what breaks a handler, and at which line."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from coffrify_webhooks import ConfigurationError, Delivery, Event, Receiver, Router, UnknownEvent
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.events import TransferCreated, WorkspaceCreated
from coffrify_webhooks.testing import check, check_handlers

SECRET = "whsec_" + "5e" * 32


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def receiver(router: Router) -> Receiver:
    return Receiver(SECRET, router=router, store="memory:")


def kinds(receiver: Receiver, **options: Any) -> dict[str, str]:
    """Return the place of each kind of finding."""
    options.setdefault("examples", 5)
    return {each.kind: each.path for each in check_handlers(receiver, **options).findings}


def test_a_careful_handler_passes(router: Router, receiver: Receiver) -> None:
    """Sync, async, for a family, for everything and for unknown events, with a delivery."""
    router.on(TransferCreated)(lambda event: str(event.data.id))
    router.on("workspace.*", name="family")(lambda event: None)
    router.on("*", name="all")(lambda event: None)
    router.on(UnknownEvent, name="unknown")(lambda event: None)

    @router.on("ping")
    async def ping(event: Event, delivery: Delivery) -> None: ...

    router.on("shop.opened", allow_unknown=True, name="new")(lambda event: None)
    seen: list[tuple[int, int]] = []
    report = check_handlers(receiver, examples=5, progress=lambda *each: seen.append(each))
    assert report.ok, report
    assert (len(report.handlers), seen[0], seen[-1]) == (6, (0, 6), (6, 6))
    assert all(each.events >= 4 for each in report.handlers)
    assert report.handlers[0].file == __file__
    assert "6 handlers checked, 0 failed" in str(report)


def test_an_optional_field_that_is_taken_for_granted_is_found(
    router: Router, receiver: Receiver
) -> None:
    """With the smallest body, the exception, and the line at which it was raised."""

    @router.on("transfer.created")
    def count(event: TransferCreated) -> int:
        return len(event.data.files)  # type: ignore[arg-type]

    report = check_handlers(receiver, examples=20)
    found = {each.kind: each for each in report.findings}
    assert {*found} == {"optional", "wrong_type"}
    optional = found["optional"]
    assert optional.path == "data.files"
    assert optional.handler.endswith("<locals>.count")
    assert isinstance(optional.error, TypeError)
    assert (optional.file, optional.line) == (__file__, count.__code__.co_firstlineno)
    assert [*json.loads(optional.body)["data"]] == ["id"], "what has no part in it is left out"
    assert sorted(json.loads(found["wrong_type"].body)["data"]) == ["files", "id"]
    text = str(report)
    assert "where data.files is absent, empty or null" in text
    assert f"{__file__}:{count.__code__.co_firstlineno + 2}" in text
    assert "1 handler checked, 1 failed" in text


@pytest.mark.parametrize(
    ("kind", "breaks"),
    [
        ("unknown_field", lambda event: 1 // (not event.data.model_extra)),
        ("missing_field", lambda event: event.data.id.upper()),
        ("wrong_type", lambda event: event.data.id.upper()),
        ("unknown_value", lambda event: {"active": 1, None: 0}[event.data.status]),
        ("null", lambda event: event.data.id.upper()),
    ],
)
def test_each_bend_is_tried(router: Router, receiver: Receiver, kind: str, breaks: Any) -> None:
    """A handler that one of them breaks is found by that name."""
    router.on("transfer.created")(breaks)
    assert kind in kinds(receiver)


def test_a_second_run_of_the_same_event_is_tried(router: Router, receiver: Receiver) -> None:
    """As after a crash: at least once may be twice."""
    rows: set[Any] = set()

    @router.on("workspace.created")
    def insert(event: WorkspaceCreated) -> None:
        if event.raw in rows:
            raise KeyError("UNIQUE constraint failed")
        rows.add(event.raw)

    assert kinds(receiver) == {"second_run": ""}


def test_a_slow_handler_is_found(router: Router) -> None:
    """One that takes longer than the sender waits."""
    router.on("ping")(lambda event: time.sleep(0.02))
    receiver = Receiver(SECRET, router=router, store="memory:", sender_timeout=0.01)
    report = check_handlers(receiver, examples=1)
    assert [each.kind for each in report.findings] == ["slow"]
    assert "the sender gives up first" in str(report)


def test_each_handler_is_checked_alone(router: Router, receiver: Receiver) -> None:
    """The failure of one is not told of another; their own router is as before."""
    ran: list[str] = []
    router.on("ping", name="fails")(lambda event: 1 // 0)
    router.on("ping", name="works")(lambda event: ran.append("works"))
    report = check_handlers(receiver, examples=1)
    assert {each.handler for each in report.findings} == {"fails"}
    assert len(ran) == report.handlers[1].events
    assert receiver.router is router


def test_a_handler_that_cannot_run_is_found(router: Router, receiver: Receiver) -> None:
    """A check in which a handler did not run must not pass."""
    router.on("ping", atomic=True)(lambda event: None)
    [finding] = check_handlers(receiver, examples=1).findings
    assert finding.kind == "valid"
    assert "atomic" in str(finding.error)


def test_a_strict_receiver_keeps_what_does_not_fit_from_its_handlers(router: Router) -> None:
    """So they are not broken by it."""
    router.on("transfer.created")(lambda event: event.data.id.upper())
    assert "missing_field" in kinds(Receiver(SECRET, router=router, store="memory:"))
    strict = Receiver(SECRET, router=router, store="memory:", strict=True, name="strict")
    assert kinds(strict) == {}


def test_what_an_engine_would_run_is_run_here(router: Router) -> None:
    """With a dispatcher the handlers are checked as well, and the engine is left alone."""

    class Engine:
        def dispatch(self, message: Any) -> None:
            raise AssertionError

    router.on("ping")(lambda event: 1 // 0)
    receiver = Receiver(SECRET, router=router, store="memory:", dispatcher=Engine())
    assert "valid" in kinds(receiver)


def test_without_hypothesis_the_examples_and_their_variants_are_tried(
    router: Router, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says what it did not try."""
    monkeypatch.setattr(check, "find_spec", lambda name: None)

    @router.on("transfer.created")
    def count(event: TransferCreated) -> int:
        return len(event.data.files)  # type: ignore[arg-type]

    report = check_handlers(receiver)
    assert not report.random
    assert "optional" in {each.kind for each in report.findings}
    assert "with Hypothesis installed" in str(report)


@pytest.mark.parametrize("target", [Receiver(SECRET, router=Router(), store="memory:"), object()])
def test_what_has_no_handler_is_refused(target: Any) -> None:
    """A check that checks nothing must not pass."""
    with pytest.raises(ConfigurationError, match=r"has no (handler|Receiver)"):
        check_handlers(target)


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


SHOP = """
from flask import Flask
from coffrify_webhooks import Router
from coffrify_webhooks.flask import CoffrifyWebhooks

router = Router()

@router.on("transfer.created")
def announce(event):
    {line}

app = Flask(__name__)
app.config["COFFRIFY_WEBHOOKS"] = {{"ROUTER": router}}
CoffrifyWebhooks(app)
"""


@pytest.mark.parametrize(
    ("line", "code"), [("print(event.data.id)", 0), ("event.data.transfer_title.upper()", 1)]
)
def test_the_command_checks_an_application(folder: Path, line: str, code: int) -> None:
    """Without a secret and without a store; it exits 1 if a handler fails, and leaves no file."""
    name = f"kit_shop_{code}"
    (folder / f"{name}.py").write_text(SHOP.format(line=line), "utf-8")
    arguments = ["check", "--app", f"{name}:app", "--examples", "5"]
    ran = CliRunner().invoke(commands, arguments)
    assert ran.exit_code == code, ran.output
    assert f"{folder / name}.py:8" in ran.stdout
    ran = CliRunner().invoke(commands, [*arguments, "--json"])
    assert ran.exit_code == code
    report = json.loads(ran.stdout)
    assert report["ok"] == (code == 0)
    if code:
        assert report["findings"][0]["raised_at"] == f"{folder / name}.py:10"
        assert "AttributeError" in report["findings"][0]["error"]
    files = [each.name for each in folder.rglob("*") if each.is_file()]
    assert files == [f"{name}.py"]


def test_the_command_takes_a_module_of_handlers(folder: Path) -> None:
    """Whose receiver is made elsewhere; and one that is not there is a usage error."""
    from coffrify_webhooks.router import default_router

    source = "from coffrify_webhooks import on\n@on('ping')\ndef handle(event): 1 // 0\n"
    (folder / "kit_handlers.py").write_text(source, "utf-8")
    try:
        ran = CliRunner().invoke(commands, ["check", "--app", "kit_handlers", "--examples", "1"])
    finally:
        default_router._handlers.pop("kit_handlers:handle", None)
        default_router._matches.clear()
    assert ran.exit_code == 1, ran.output
    assert "FAILED kit_handlers:handle" in ran.stdout
    assert "ZeroDivisionError" in ran.stdout
    ran = CliRunner().invoke(commands, ["check", "--app", "kit_missing"])
    assert (ran.exit_code, "no module 'kit_missing'" in ran.stderr) == (2, True)
    ran = CliRunner().invoke(commands, ["check"])
    assert ran.exit_code == 2
