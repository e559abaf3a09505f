"""`manage.py coffrify_webhooks`: the events commands, on the receiver of the settings."""

import json
import sys
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

from coffrify_webhooks import Event, Router, sign
from coffrify_webhooks_django.conf import current_endpoint

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"


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


@pytest.mark.parametrize("name", ["events", "list"])
def test_events_are_listed(name: str) -> None:
    """`events` lists them, with the options of `coffrify-webhooks events list`."""
    lines = run(name, "--status", "failed", "--json").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["evt_1"]


def test_show() -> None:
    """`show` tells all about one event."""
    assert "handler raised LookupError" in run("show", "evt_1")


def test_events_may_stand_before_a_command() -> None:
    """`events show` is `show`: what the other command line takes works here."""
    assert run("events", "show", "evt_1") == run("show", "evt_1")


def test_replay_runs_the_projects_handlers() -> None:
    """`replay` needs no --app: the handlers are those of the installed apps."""
    assert "1 handled" in run("replay", "--failed", "--yes")
    assert statuses() == {"evt_1": "done", "evt_2": "done"}


def test_a_replay_that_fails_again_exits_1(failures: list[Exception]) -> None:
    """So that a script can tell."""
    failures.append(LookupError())
    with pytest.raises(SystemExit) as caught:
        run("replay", "evt_1")
    assert caught.value.code == 1


def test_forget() -> None:
    """`forget` drops what is known of an event."""
    run("forget", "evt_2", "--yes")
    assert statuses() == {"evt_1": "failed"}


def test_stats() -> None:
    """`stats` counts."""
    assert json.loads(run("stats", "--json"))["failed"] == 1


def test_a_mistake_is_a_command_error() -> None:
    """What the command refuses is told as Django tells its errors."""
    with pytest.raises(CommandError, match="no event evt_9"):
        run("show", "evt_9")
    with pytest.raises(CommandError, match="settled by your settings"):
        run("stats", "--store", "memory:")


def test_without_click_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web process needs no click; the command names the extra that brings it."""
    hidden: Any = None
    monkeypatch.setitem(sys.modules, "click", hidden)
    with pytest.raises(CommandError, match=r'pip install "coffrify-webhooks\[cli\]"'):
        run("stats")
