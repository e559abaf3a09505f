"""Requests that nobody spoilt: forged ones, and sound ones that look odd."""

import gzip
import json
from collections.abc import Callable
from typing import Any

from tests.doctor.real_event import (
    BODY,
    HEADERS,
    NET,
    NOW,
    OTHER_KEY,
    OWN,
    PHP,
    PRETTY,
    SECRET,
    SIGNATURE,
    STANDARD,
    VALUE,
    changed,
    compact,
    own,
    signed,
    standard,
)
from tests.doctor.requests import Case

SMALL = b'{"id":"evt_1","type":"transfer.created","data":{"id":"tr_1","size":10}}'
RICH = {
    "id": "evt_1",
    "type": "transfer.created",
    "data": {"id": "tr_1", "a": 1, "b": "x", "c": []},
}


def forged(name: str, body: bytes = SMALL, headers: Any = None, **more: Any) -> Case:
    headers = headers or signed(body, OTHER_KEY)
    return Case(name, ("unknown",), body, headers, more.pop("secrets", SECRET), **more)


FORGERIES = [
    forged("by a script of Python", json.dumps(RICH).encode()),
    forged("by a script of PHP", SMALL.replace(b"tr_1", b"a\\/b")),
    forged("by a script of Go", SMALL.replace(b"tr_1", b"\\u003cb\\u003e")),
    forged("ten minutes ago", now=NOW + 600),
    forged("in ten minutes", now=NOW - 600),
    forged("in another time zone", now=NOW + 3600),
    forged("days ago", now=NOW + 200_777),
    forged("a signature of another length", headers=changed("webhook-signature", "v1,AAAA")),
    forged("no signature at all in it", headers=changed("webhook-signature", "let me in")),
    forged("a bad one of the other scheme", headers={"X-Coffrify-Signature": f"t={NOW},v1=bad"}),
    forged("zeros", headers={"X-Coffrify-Signature": f"t={NOW},v1={'0' * 64}"}),
    forged("an asymmetric one", headers=changed("webhook-signature", f"v1a,{'A' * 86}==")),
    forged("a number changed", BODY.replace(b"1048576", b"1048577"), HEADERS),
    forged("an id changed within", BODY.replace(b"t/a?", b"t/b?"), HEADERS),
    forged("the signature of another event", SMALL, HEADERS),
    forged("a text for a secret", secrets="whsec_correct-horse-battery"),
    forged("words for a secret", secrets="whsec_correcthorsebattery"),
    forged("a secret of 20 bytes", secrets=f"whsec_{'ab12' * 10}"),
    forged(
        "a length that is right",
        json.dumps(RICH).encode(),
        signed(
            json.dumps(RICH).encode(), OTHER_KEY, **{"Content-Length": str(len(json.dumps(RICH)))}
        ),
    ),
    forged("question marks", SMALL.replace(b"tr_1", b"what?s")),
    forged("a body that is no object", b"[1, 2]"),
    forged("words for a body", b"hello"),
]


def _folded(headers: dict[str, str]) -> dict[str, str]:
    return {**headers, "X-Coffrify-Signature": headers["X-Coffrify-Signature"].replace(",", ", ")}


ODD: list[tuple[str, Callable[[], tuple[bytes, Any]]]] = [
    ("only the other scheme holds", lambda: (BODY, {**standard(b"x"), **OWN})),
    ("only the standard scheme holds", lambda: (BODY, {**STANDARD, **own(b"x")})),
    ("a blank after the comma", lambda: (BODY, _folded(HEADERS))),
    (
        "joined signatures",
        lambda: (BODY, changed("webhook-signature", f"v1,{'A' * 43}= {SIGNATURE}")),
    ),
    ("written by PHP", lambda: (PHP.encode(), signed(PHP.encode()))),
    ("written by .NET", lambda: (NET.encode(), signed(NET.encode()))),
    ("indented", lambda: (PRETTY, signed(PRETTY))),
    (
        "sorted",
        lambda: (
            compact(VALUE, sort_keys=True).encode(),
            signed(compact(VALUE, sort_keys=True).encode()),
        ),
    ),
    (
        "compressed by the sender",
        lambda: (gzip.compress(BODY, mtime=0), signed(gzip.compress(BODY, mtime=0))),
    ),
    ("a form", lambda: (b"payload=%7B%7D", signed(b"payload=%7B%7D"))),
]
