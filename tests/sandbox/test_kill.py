"""The command as a process of its own: killed with -9, it loses and doubles nothing."""

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.budgets import budget
from tests.sandbox.hook import Hook
from tests.servers.preloaded import Preloaded
from tests.servers.process import free_port, own_environment

KEY = "cfy_test_of_the_kill"
COMMAND = str(Path(sys.executable).with_name("coffrify-webhooks"))


@pytest.fixture
def hook(hook: Hook) -> Hook:
    hook.status = 500
    return hook


class Process:
    """A sandbox on a file, started and killed."""

    def __init__(self, folder: Path, preloaded: Preloaded) -> None:
        self._preloaded = preloaded
        self.folder = folder
        self.file = folder / "sandbox.db"
        self.port = free_port()
        self.log = folder / "log"

    def start(self, *options: str) -> None:
        words = ["sandbox", "--port", str(self.port), "--db", str(self.file), "--api-key", KEY]
        self.process = self._preloaded.start(
            [COMMAND, *words, *options], self.folder, own_environment(), self.log
        )
        give_up = time.monotonic() + 60
        while True:
            try:
                self.ask("GET", "/v1/me")
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < give_up
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        body = None if content is None else json.dumps(content).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=40) as response:
            return json.load(response)

    def skip(self, seconds: float) -> datetime:
        """Let time pass; returns the sandbox's time."""
        now = self.ask("POST", "/control/skip", {"seconds": seconds})["now"]
        return datetime.fromisoformat(now)

    def deliveries(self, endpoint: str) -> list[Any]:
        found: list[Any] = self.ask("GET", f"/v1/webhooks/{endpoint}/deliveries?limit=200")["data"]
        return found


@pytest.fixture
def process(tmp_path: Path, preloaded: Preloaded) -> Iterator[Process]:
    made = Process(tmp_path, preloaded)
    made.start()
    yield made
    made.kill()


def test_killed_in_its_schedule(process: Process, hook: Hook) -> None:
    """Killed between attempts, each event is still attempted twelve times, and not once more."""
    asked = {"name": "Mine", "url": hook.url, "events": ["ping"]}
    endpoint = process.ask("POST", "/v1/webhooks", asked)["webhook"]["id"]
    for _ in range(3):
        process.ask("POST", "/v1/webhooks?action=test", {"id": endpoint})
    for turn in range(100):
        now = process.skip(0)
        found = process.deliveries(endpoint)
        due = [d["next_attempt_at"] for d in found if d["next_attempt_at"]]
        if not due:
            break
        if turn % budget(12, 5) == 2:
            process.kill()
            process.start()
            now = process.skip(0)
        process.skip(max(0.0, (datetime.fromisoformat(min(due)) - now).total_seconds() + 0.01))
    assert [(d["status"], d["attempt_count"]) for d in found] == [("dead_letter", 12)] * 3
    assert [*hook.counts().values()] == [12] * 3


def test_killed_while_sending(process: Process, hook: Hook) -> None:
    """An attempt that was under way is a failed one, and the next comes when it is due."""
    asked = {"name": "Mine", "url": hook.url, "events": ["ping"]}
    endpoint = process.ask("POST", "/v1/webhooks", asked)["webhook"]["id"]
    hook.free.clear()
    hook.status = 200
    process.ask("POST", "/v1/webhooks?action=test", {"id": endpoint})
    hook.wait_for(1)
    process.kill()
    hook.free.set()
    process.start()
    process.skip(60)
    hook.wait_for(2)
    [delivery] = process.deliveries(endpoint)
    assert delivery["status"] == "success"
    assert [attempt["response_status"] for attempt in delivery["attempts"]] == [None, 200]
    assert "stopped while it was sending" in delivery["attempts"][0]["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_its_log_shows_no_key(
    process: Process, number: signal.Signals
) -> None:
    """It ends soon, without a traceback; the addresses were printed, a key of one's own not."""
    os.kill(process.process.pid, number)
    process.process.wait(60)
    text = process.log.read_text()
    assert "Traceback" not in text
    assert KEY not in text
    assert f"http://127.0.0.1:{process.port}/v1" in text


@pytest.mark.parametrize(
    "how", [pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL]
)
def test_time_does_not_go_back(
    tmp_path: Path, preloaded: Preloaded, hook: Hook, how: signal.Signals
) -> None:
    """However a fast sandbox ends, its time goes on after all that was done in it."""
    process = Process(tmp_path, preloaded)
    process.start("--speed", "100000")
    content = {"name": "a", "url": hook.url, "events": ["*"]}
    made = process.ask("POST", "/v1/webhooks", content)["webhook"]
    process.process.send_signal(how)
    process.process.wait()
    process.start()
    try:
        assert process.skip(0) >= datetime.fromisoformat(made["created_at"])
    finally:
        process.kill()
