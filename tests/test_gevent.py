"""Leases under gevent: greenlets instead of threads renew them, so a handler has to yield."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.process import own_environment

APP = """
from gevent import monkey

monkey.patch_all()
import json
import sys
import time

import gevent
from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores.sqlite import SQLiteStore

secret, router, path = "whsec_" + "ab" * 32, Router(), sys.argv[2]
yields = sys.argv[1] == "yields"
other = SQLiteStore(path)
[key] = [key_of("default", "evt_1")]
said = {}


@router.on("*")
def handle(event):
    first = other.get(key)
    lapses = first.lease_until
    # As long as the first lease lasts, or until it is seen to have been renewed.
    while time.time() <= lapses or (yields and other.get(key).lease_until == lapses):
        if yields:
            gevent.sleep(0)
    said["another worker"] = other.claim(key, first.digest, 60.0).status


receiver = Receiver(secret, store=SQLiteStore(path), router=router, lease=1.0)
body = b'{"id": "evt_1", "type": "ping", "data": {}}'
reply = receiver.receive(body, sign(body, secret, id="evt_1"))
print(json.dumps({**said, "reply": reply.outcome, "status": reply.status}))
"""


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("yields", {"another worker": "busy", "reply": "handled", "status": 200}),
        ("computes", {"another worker": "claimed", "reply": "busy", "status": 503}),
    ],
)
def test_a_handler_that_yields_keeps_its_claim_under_gevent(
    tmp_path: Path, handler: str, expected: dict[str, object]
) -> None:
    """One that never does loses it to another worker after a lease, and cannot settle then."""
    said = subprocess.run(
        [sys.executable, "-c", APP, handler, str(tmp_path / "store.db")],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(said.stdout) == expected
