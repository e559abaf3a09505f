"""What a page offers to copy: a request as a curl command, an event as a test."""

from __future__ import annotations

import json
import re
from pprint import pformat
from typing import TYPE_CHECKING

from coffrify_webhooks.web.curl import curl_command

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox.records import Event
    from coffrify_webhooks_sandbox.sender import Request

__all__ = ["curl_of", "pytest_code"]

_LONGEST = 50_000
"""Bytes of a body that is worth copying."""
_TEST = """\
import json

from app import app  # your application

from coffrify_webhooks import parse

EVENT = {event}


def test_{name}(coffrify_kit):
    result = coffrify_kit.deliver(app, parse(json.dumps(EVENT).encode()))
    assert result.outcome == "handled"
"""


def curl_of(request: Request) -> str:
    """Return the command that sends a request; "" for one that a terminal cannot show or take."""
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        return ""
    if len(request.body) > _LONGEST or not text.isprintable():
        return ""
    return curl_command(request.url, request.headers, request.body)


def pytest_code(event: Event) -> str:
    """Return a test that delivers an event to an application; "" for one that is too long."""
    if len(event.body) > _LONGEST:
        return ""
    try:
        text = pformat(json.loads(event.body), width=96, sort_dicts=False)
    except (ValueError, RecursionError):
        return ""
    name = re.sub(r"[^a-z0-9]+", "_", event.type.lower()).strip("_")
    return _TEST.format(event=text, name=name or "event")
