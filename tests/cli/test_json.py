"""`--json`: what a command did, for programs, and nothing else on the standard output."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.help_options import commands_of
from tests.cli.stored_events import SECRET, StoredEvents
from tests.cli.test_sandbox_commands import Site, run, site

from coffrify_webhooks import Event, Receiver, Router, sign
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.stores.memory import MemoryStore

__all__ = ["site"]

WITHOUT = {"catalog pull", "codegen", "demo", "inbox", "sandbox", "worker"}
"""They write files, or run until they are stopped."""


@pytest.fixture
def stored() -> StoredEvents:
    return StoredEvents()


def test_each_command_that_prints_data_prints_json() -> None:
    lacking = {
        name
        for name, command in commands_of(commands)
        if not any("--json" in each.opts for each in command.params)
    }
    assert lacking == WITHOUT


def test_a_replay_prints_each_event_and_its_result(stored: StoredEvents) -> None:
    """What is for people goes to the standard error."""
    stored.put("evt_1", "failed", age=60)
    stored.put("evt_2", "failed", age=30)
    router = Router()

    @router.on("*", name="announce")
    def announce(event: Event) -> None:
        if event.id == "evt_2":
            raise LookupError

    ran = stored.run("replay", "--failed", "--yes", "--json", router=router, status=1)
    first, second = map(json.loads, ran.stdout.splitlines())
    assert (first["id"], first["result"], first["reason"]) == ("evt_1", "handled", None)
    assert (second["id"], second["result"]) == ("evt_2", "failed")
    assert "announce raised LookupError" in second["reason"]
    assert ran.stderr == "1 handled, 1 failed, 0 queued, 0 skipped\n"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["forget", "evt_1", "--yes"], {"forgotten": 1}),
        (["purge", "--older-than", "30d"], {"purged": 1}),
    ],
)
def test_what_is_dropped_is_counted(
    stored: StoredEvents, words: list[str], printed: dict[str, int]
) -> None:
    stored.put("evt_1", age=31 * 86_400)
    assert json.loads(stored.run(*words, "--json").stdout) == printed


def test_a_sweep_is_counted() -> None:
    class Engine:
        def dispatch(self, message: dict[str, Any]) -> None:
            del message

    back = [10_000.0]
    store = MemoryStore(clock=lambda: time.time() - back[0])
    receiver = Receiver(SECRET, store=store, dispatcher=Engine(), router=Router())
    body = b'{"id": "evt_1", "type": "ping"}'
    receiver.receive(body, sign(body, SECRET))
    back[0] = 0
    ran = CliRunner().invoke(commands, ["sweep", "--json"], obj=Source(store, receiver))
    assert json.loads(ran.stdout) == {"dispatched": 1}


def test_a_store_that_is_ready_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["store", "init", "--store", "sqlite:///new.db", "--json"]
    ran = CliRunner().invoke(commands, words)
    assert json.loads(ran.stdout) == {"store": "sqlite:///new.db", "events": 0}


def test_a_trigger_prints_each_event_with_its_deliveries(site: Site) -> None:
    ran = site.trigger("transfer.created", "--count", "120", "--json")
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len({each["id"] for each in found}) == 120
    assert {each["deliveries"][0]["status"] for each in found} == {"success"}
    assert ran.stderr.endswith("120 of 120 events; deliveries: 120 success\n")


def test_a_sent_delivery_is_told_with_its_answer(site: Site) -> None:
    """An answer of another server's is none: only its status is told."""
    url, sent = (
        site.endpoint.url,
        ("send", "ping", "--id", "evt_1", "--secret", "whsec_" + "ef" * 32),
    )
    ran = run(*sent, "--to", url, "--json")
    found = json.loads(ran.stdout)
    assert found.pop("seconds") > 0
    told = {"type": "ping", "id": "evt_1", "url": url, "status": 200, "outcome": "handled"}
    assert found == told | {"code": None, "message": None, "error": None}
    refused = run("send", "ping", "--secret", "whsec_" + "01" * 32, "--to", url, "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["code"] == "signature_mismatch"
    other = run(*sent, "--to", url.replace("/webhooks/coffrify", "/none"), "--json")
    assert other.exit_code == 1
    assert {json.loads(other.stdout)[name] for name in ("outcome", "code", "error")} == {None}
    nobody = run(*sent, "--to", "http://127.0.0.1:9/", "--json")
    assert nobody.exit_code == 1
    assert "refused" in json.loads(nobody.stdout)["error"]


def test_a_curl_command_is_no_json(site: Site) -> None:
    ran = run("send", "ping", "--to", site.endpoint.url, "--curl", "--json")
    assert ran.exit_code == 2
    assert "--curl and --json exclude each other" in ran.stderr
