"""`manage.py coffrify_webhooks`: the commands, on the receiver of the settings."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.test import Client, override_settings
from tests.adapters.suite import PATH, SECRET, make_body
from tests.django_databases import migrated

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.cli.embedded import COMMANDS
from coffrify_webhooks_django.conf import current_endpoint
from coffrify_webhooks_django.management.commands import coffrify_webhooks as django_command

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"


class Engine:
    """Takes nothing, and notes for whom its worker was run."""

    def __init__(self) -> None:
        self.worked: list[tuple[Receiver, float]] = []

    def dispatch(self, message: Any) -> None:
        raise AssertionError(message)

    def work(self, receiver: Receiver, stop: threading.Event, grace: float) -> bool:
        assert not stop.is_set()
        self.worked.append((receiver, grace))
        return True


@pytest.fixture(autouse=True)
def failures(tmp_path: Path) -> Iterator[list[Exception]]:
    """Two events: evt_1 failed, evt_2 is done."""
    errors: list[Exception] = []
    router = Router()

    @router.on("*", name="handler")
    def handler(event: Event) -> None:
        if errors:
            raise errors.pop()

    options = {"SECRETS": SECRET, "STORE": "django:file", "ROUTER": router}
    with (
        migrated("file", tmp_path / "db"),
        override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[OURS]),
    ):
        for event_id, status in ("evt_1", 500), ("evt_2", 200):
            errors[:] = [LookupError()] if status == 500 else []
            body = make_body(event_id=event_id)
            answer = Client().post(PATH, body, "application/json", headers=sign(body, SECRET))
            assert answer.status_code == status
        yield errors
    connections.close_all()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("coffrify_webhooks", *arguments, stdout=out)
    return out.getvalue()


def statuses() -> dict[str, str]:
    return {record.id: record.status for record in current_endpoint().receiver.store.find()}


@pytest.mark.parametrize("command", [["events"], ["events", "list"]])
def test_events_are_listed(command: list[str]) -> None:
    """`events` lists them, with the options of `coffrify-webhooks events list`."""
    lines = run(*command, "--status", "failed", "--json").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["evt_1"]


def test_show_tells_all_about_one_event() -> None:
    """`events show` tells all about one event."""
    assert "handler raised LookupError" in run("events", "show", "evt_1")


def test_a_name_from_before_works_and_tells_the_one_of_now(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`show` without `events`, as in somebody's crontab, does the same and says what it is now."""
    assert run("show", "evt_1") == run("events", "show", "evt_1")
    assert "'show' is now called: events show" in capsys.readouterr().err


def test_replay_runs_the_projects_handlers() -> None:
    """`replay` needs no --app: the handlers are those of the installed apps."""
    assert "1 handled" in run("events", "replay", "--failed", "--yes")
    assert statuses() == {"evt_1": "done", "evt_2": "done"}


def test_a_replay_that_fails_again_exits_1(failures: list[Exception]) -> None:
    """So that a script can tell."""
    failures.append(LookupError())
    with pytest.raises(SystemExit) as caught:
        run("events", "replay", "evt_1")
    assert caught.value.code == 1


def test_forget_drops_what_is_known_of_an_event() -> None:
    """`forget` drops what is known of an event."""
    run("events", "forget", "evt_2", "--yes")
    assert statuses() == {"evt_1": "failed"}


def test_stats_counts_the_events() -> None:
    """`stats` counts."""
    assert json.loads(run("events", "stats", "--json"))["failed"] == 1


def test_a_mistake_is_a_command_error() -> None:
    """What the command refuses is told as Django tells its errors."""
    with pytest.raises(CommandError, match="no event evt_9"):
        run("events", "show", "evt_9")
    with pytest.raises(CommandError, match="determined by your settings"):
        run("events", "stats", "--store", "memory:")


def test_without_click_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web process needs no click; the command names the extra that brings it."""
    hidden: Any = None
    monkeypatch.setitem(sys.modules, "click", hidden)
    with pytest.raises(CommandError, match=r'pip install "coffrify-webhooks\[django\]"'):
        run("events", "stats")


def test_store_init_counts_what_the_store_has() -> None:
    """`store init` works on the store of the settings, whose tables `migrate` makes."""
    assert run("store", "init") == "the store DjangoStore('file') is ready; events: 2\n"


def test_check_runs_the_projects_handlers(failures: list[Exception]) -> None:
    """On a store in memory; it exits 1 if one fails."""
    assert "ok     handler" in run("check", "--examples", "1")
    assert statuses() == {"evt_1": "failed", "evt_2": "done"}
    failures.append(LookupError())
    with pytest.raises(SystemExit) as exited:
        run("check", "--examples", "1")
    assert exited.value.code == 1


def test_each_command_for_programs_is_offered() -> None:
    """Under the same names as by `coffrify-webhooks`."""
    assert {*django_command._COMMANDS} == {*COMMANDS}


def test_sweep_dispatches_what_the_engine_has_lost() -> None:
    """`sweep` asks the receiver of the settings."""
    receiver = current_endpoint().receiver
    with pytest.raises(CommandError, match="this Receiver has no engine"):
        run("sweep")
    receiver.dispatcher = Engine()
    assert run("sweep") == "0 dispatched again\n"


def test_the_worker_works_for_the_receiver_of_the_settings() -> None:
    """`worker` runs the engine's worker, with --grace, until it is stopped."""
    receiver = current_endpoint().receiver
    with pytest.raises(CommandError, match="this Receiver has no engine") as caught:
        run("worker")
    assert 'settings.COFFRIFY_WEBHOOKS = {"DISPATCHER": ' in str(caught.value)
    receiver.dispatcher = engine = Engine()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        run("worker", "--grace", "3")
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert engine.worked == [(receiver, 3.0)]


def test_the_error_of_missing_handlers_names_the_module_of_an_app() -> None:
    """Django finds handlers by itself: the error says where they belong."""
    options = {"SECRETS": SECRET, "STORE": "memory:", "ROUTER": Router()}
    with override_settings(COFFRIFY_WEBHOOKS=options):
        body = make_body()
        answer = Client().post(PATH, body, "application/json", headers=sign(body, SECRET))
        with pytest.raises(CommandError, match="no handler is registered; put them into a web"):
            run("worker")
    assert answer.status_code == 503
    assert "webhooks.py of an app in INSTALLED_APPS" in answer.json()["error"]["message"]
