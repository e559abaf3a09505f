"""A refusal's log says what the request shows by itself; the reply to the sender does not."""

import base64
import gzip
import logging
import subprocess
import sys
from typing import Any

import pytest
from tests.doctor.requests import BODY, HEADERS, NOW, OTHER, SECRET, STANDARD, changed

from coffrify_webhooks import Receiver, Router

RENAMED = {f"X-{name}": text for name, text in STANDARD.items()}
LONGER = {**HEADERS, "Content-Length": "1000"}
CASES = [
    ("compressed", gzip.compress(BODY), HEADERS, "the body begins like gzip"),
    ("base64", base64.b64encode(BODY), HEADERS, "the body is base64 of something"),
    ("empty", b"", HEADERS, "the body is empty"),
    ("mark", b"\xef\xbb\xbf" + BODY, HEADERS, "the body begins with a byte-order mark"),
    ("form", b"payload=%7B%7D", HEADERS, "the body is form-encoded, not JSON"),
    ("length", BODY + b" ", LONGER, "bytes fewer than its Content-Length"),
    ("wide", BODY.decode().encode("utf-16"), HEADERS, "the body is in UTF-16 or UTF-32"),
    ("renamed", BODY, RENAMED, "a header named x-webhook-id seems to be webhook-id"),
    (
        "millis",
        BODY,
        changed("webhook-timestamp", f"{NOW}000"),
        "is in milliseconds, not in seconds",
    ),
    (
        "clock",
        BODY + b" ",
        {**HEADERS, "Date": "Mon, 24 Nov 2025 15:00:00 GMT"},
        "this clock is 3600 s ahead of the Date header",
    ),
]


def refused(body: bytes, headers: Any, secret: str = SECRET) -> tuple[Receiver, Any]:
    receiver = Receiver(secret, store="memory:", router=Router(), clock=lambda: NOW)
    return receiver, receiver.receive(body, headers)


@pytest.mark.parametrize(
    ("body", "headers", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_log_says_what_the_request_shows(
    body: bytes, headers: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In the line of the refusal; the reply is as it is for any other cause."""
    with caplog.at_level(logging.INFO, "coffrify_webhooks"):
        _, reply = refused(body, headers)
    assert reply.status == 400
    assert said in caplog.records[-1].getMessage()
    assert said.encode() not in reply.body


def test_the_log_says_it_before_a_body_is_read(caplog: pytest.LogCaptureFixture) -> None:
    """Adapters refuse early what no body could make acceptable; a renamed header is told then."""
    receiver, _ = refused(BODY, HEADERS)
    reply = receiver.refuse_early(RENAMED)
    assert reply is not None
    assert "seems to be webhook-signature" in caplog.records[-1].getMessage()
    assert b"seems to be" not in reply.body


def test_a_plain_forgery_is_logged_as_before(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing shows, nothing is added."""
    _, reply = refused(BODY, HEADERS, OTHER)
    text = caplog.records[-1].getMessage()
    assert text == f"rejected, 400 (signature_mismatch: {reply.error})"


@pytest.mark.parametrize("name", ["X-secret\n-webhook-id", f"{'q' * 80}-webhook-id"])
def test_a_strangers_header_name_is_not_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Only what is usual in front of a name of ours is repeated."""
    refused(BODY, {name: "x"})
    text = caplog.records[-1].getMessage()
    assert "a header named ...webhook-id seems to be webhook-id" in text
    assert "secret" not in text


def test_a_good_delivery_imports_no_doctor() -> None:
    """It costs nothing where nothing is refused."""
    code = (
        "import sys; from coffrify_webhooks import Receiver, Router, sign\n"
        f"receiver = Receiver({SECRET!r}, store='memory:', router=Router())\n"
        "receiver.on('ping')(lambda event: None)\n"
        'body = b\'{"id": "evt_1", "type": "ping"}\'\n'
        f"assert receiver.receive(body, sign(body, {SECRET!r})).outcome == 'handled'\n"
        "assert not [name for name in sys.modules if '.doctor' in name]\n"
        "assert receiver.receive(b'', sign(body, 'a-secret-for-tests')).status == 400\n"
        "assert not {'coffrify_webhooks.doctor.search', 'ast', 'html'} & {*sys.modules} - before\n"
    )
    code = code.replace(
        "import sys;", "import sys, json, pydantic, inspect; before = {*sys.modules};", 1
    )
    subprocess.run([sys.executable, "-c", code], check=True)
