"""What the commands ask a running sandbox, and how it stops while it answers."""

import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.in_time import in_time
from tests.sandbox.hook import Hook

from coffrify_webhooks_sandbox import Sandbox


def trigger(sandbox: Sandbox, **asked: Any) -> tuple[int, Any]:
    body = json.dumps({"event_type": "ping", **asked}).encode()
    request = urllib.request.Request(
        f"{sandbox.url}/control/trigger", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_what_follows_is_shown(coffrify_sandbox: Sandbox, hook: Hook) -> None:
    """The answer shows the duplicate as well, which is sent only after the first was taken."""
    coffrify_sandbox.create_endpoint(hook.url)
    _, found = trigger(coffrify_sandbox, manner="duplicate")
    [event] = found["events"]
    assert [each["status"] for each in event["deliveries"]] == ["success", "success"]


def test_what_is_for_later_is_not_waited_for(coffrify_sandbox: Sandbox, hook: Hook) -> None:
    """While time stands still, the answer waits only for what is due."""
    coffrify_sandbox.create_endpoint(hook.url)
    with in_time(10):
        _, found = trigger(coffrify_sandbox, manner="out-of-order", count=100)
    statuses = [event["deliveries"][0]["status"] for event in found["events"]]
    assert statuses == ["pending"] * 99 + ["success"]
    began_at = coffrify_sandbox._service.clock.now()
    coffrify_sandbox.run_out()
    assert coffrify_sandbox._service.clock.now() - began_at < 10


def test_endpoints_of_the_same_url(coffrify_sandbox: Sandbox, hook: Hook) -> None:
    """Of several endpoints with a URL, the one that is active is sent to."""
    old = coffrify_sandbox.create_endpoint(hook.url)
    coffrify_sandbox._call(
        lambda: coffrify_sandbox._service.endpoints.update(old.id, {"is_active": False})
    )
    new = coffrify_sandbox.create_endpoint(hook.url)
    _, found = trigger(coffrify_sandbox, endpoint=hook.url)
    [delivery] = found["events"][0]["deliveries"]
    assert delivery["webhook_id"] == new.id
    assert trigger(coffrify_sandbox, endpoint=old.id)[0] == 409


def test_stopped_while_a_receiver_hangs(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """A sandbox that is stopped says so to whoever waits, and stops without an error in the log."""
    hook.free.clear()
    answers: list[tuple[int, Any]] = []
    with Sandbox() as sandbox:
        sandbox.create_endpoint(hook.url)
        waiter = threading.Thread(target=lambda: answers.append(trigger(sandbox)))
        waiter.start()
        hook.wait_for(1)
    waiter.join()
    hook.free.set()
    [(status, found)] = answers
    assert (status, found["error"]["code"]) == (503, "stopped")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_body_that_breaks_off(coffrify_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves in the middle of its body is no error of ours."""
    parts = urlsplit(coffrify_sandbox.url)
    head = b"POST /control/trigger HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
    with socket.create_connection((parts.hostname, parts.port)) as client:
        client.sendall(head + b"Content-Type: application/json\r\n\r\n{")
    trigger(coffrify_sandbox)  # what comes later is answered after it
    assert "Exception" not in caplog.text
