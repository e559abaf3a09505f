"""What is fuzzed: each target takes any bytes, and raises only if a promise is broken.

An input that is a request has its headers first, a line each, then an empty line and the body. The
header `sign` with the value `all`, `standard` or `coffrify` stands for those that sign the body.
"""

import asyncio
import atexit
import base64
import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx2
from pydantic_core import PydanticSerializationError

from coffrify_webhooks import (
    PayloadError,
    Receiver,
    Router,
    VerificationError,
    Verifier,
    WebhookError,
    parse,
    sign,
)
from coffrify_webhooks.doctor import diagnose
from coffrify_webhooks.http.body import read_asgi, read_wsgi
from coffrify_webhooks.signature.headers import coffrify_parts, pick, standard_signatures
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import CatalogError, load
from coffrify_webhooks_codegen.schema.lower import lower
from coffrify_webhooks_sandbox.app import application
from coffrify_webhooks_sandbox.service import Service

__all__ = ["TARGETS"]

NOW = 1_763_900_000
KEY = bytes(range(201, 233))
SECRET = "whsec_" + KEY.hex()
SPELLINGS = [KEY.hex(), base64.b64encode(KEY).decode()]
LIMIT = 4096
Pairs = list[tuple[bytes, bytes]]

_verifier = Verifier(SECRET, clock=lambda: NOW)
_loop = asyncio.new_event_loop()
atexit.register(_loop.close)


def _handles_anything(_event: object) -> None:
    pass


def _receiver() -> Receiver:
    router = Router()
    router.on("*", name="anything")(_handles_anything)
    return Receiver(SECRET, store="memory:", router=router, clock=lambda: NOW, max_body=LIMIT)


def _read_request(data: bytes) -> tuple[Pairs, bytes, bool]:
    """Return the headers, the body, and whether something signs it."""
    head, _, body = data.partition(b"\n\n")
    pairs: Pairs = []
    is_signed = False
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"sign":
            is_signed = True
            signed = sign(body, SECRET, timestamp=NOW)
            standard = value != b"coffrify"
            pairs += [
                (each.encode(), text.encode())
                for each, text in signed.items()
                if value == b"all" or each.startswith("webhook-") is standard
            ]
        else:
            pairs.append((name, value))
    return pairs, body, is_signed


def headers(data: bytes) -> None:
    """Header parsing: pairs and texts of any kind."""
    pairs, _, _ = _read_request(data)
    texts = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]
    for given in (pairs, texts, dict(texts)):
        with suppress(VerificationError):
            pick(given)
    for _, value in texts:
        for signature in standard_signatures(value):
            assert signature in value
        stamp, signatures = coffrify_parts(value)
        assert stamp in value
        assert all(each in value.lower() for each in signatures)


def verify(data: bytes) -> None:
    """`verify` returns or raises its own, and believes nothing that is not signed."""
    pairs, body, is_signed = _read_request(data)
    try:
        delivery = _verifier.verify(body, pairs)
    except VerificationError:
        return
    assert is_signed
    assert delivery.body == body


def parse_body(data: bytes) -> None:
    """`parse` returns or raises its own; the event has the bytes and can be written again."""
    try:
        event = parse(data)
    except PayloadError:
        return
    assert event.raw == data
    assert isinstance(event.issues, tuple)
    event.model_dump()
    with suppress(PydanticSerializationError):  # text that is not Unicode has no UTF-8
        event.model_dump_json()


def receive(data: bytes) -> None:
    """`receive` always replies, and says 2xx only to what is signed."""
    pairs, body, is_signed = _read_request(data)
    reply = _receiver().receive(body, pairs)
    assert json.loads(reply.body).keys() in ({"outcome"}, {"error"})
    assert reply.status in (200, 400, 413, 422)
    assert is_signed or reply.status in (400, 413)


def read_body_wsgi(data: bytes) -> None:
    """`read_wsgi` returns what came, at most the limit, or raises its own."""
    pairs, body, _ = _read_request(data)
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(body), "REQUEST_METHOD": "POST"}
    for name, value in pairs:
        key = name.decode("latin-1").upper().replace("-", "_")
        plain = key in ("CONTENT_LENGTH", "CONTENT_TYPE")
        environ[key if plain else f"HTTP_{key}"] = value.decode("latin-1")
    with suppress(WebhookError):
        found = read_wsgi(environ, LIMIT)
        assert body.startswith(found)
        assert len(found) <= LIMIT


def read_body_asgi(data: bytes) -> None:
    """`read_asgi` returns what came, at most the limit, or raises its own; parts end at `|`."""
    pairs, body, _ = _read_request(data)
    messages = [
        {"type": "http.request", "body": part, "more_body": True} for part in body.split(b"|")
    ]
    last = {"type": "http.request" if len(data) % 2 else "http.disconnect", "more_body": False}

    async def incoming() -> Any:
        await asyncio.sleep(0)
        return messages.pop(0) if messages else last

    scope = {"type": "http", "headers": [(name.lower(), value) for name, value in pairs]}
    try:
        found = _loop.run_until_complete(read_asgi(scope, incoming, LIMIT))
    except WebhookError:
        return
    assert found == body.replace(b"|", b"")
    assert len(found) <= LIMIT


def lower_schema(data: bytes) -> None:
    """`lower` takes any JSON, and what it returns is JSON."""
    try:
        schema = json.loads(data)
    except (ValueError, RecursionError):
        return
    json.dumps(lower(schema).schema)


def codegen(data: bytes) -> None:
    """What is generated of any catalog compiles, whatever its names and schemas are."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict) or "data" not in document:
        document = {"data": [{"type": "a.b", "schema": document}]}
    try:
        files = package.files(load(document))
    except CatalogError:
        return
    for name, text in files.items():
        if name.endswith((".py", ".pyi")):
            compile(text, name, "exec", dont_inherit=True)


def sandbox_api(data: bytes) -> None:
    """The API answers any request with JSON of its own, never with a 5xx."""
    line, _, rest = data.partition(b"\n")
    method, _, path = line.decode("latin-1").partition(" ")
    pairs, body, _ = _read_request(rest)
    _loop.run_until_complete(_ask_sandbox(method, path, pairs, body))


async def _ask_sandbox(method: str, path: str, pairs: Pairs, body: bytes) -> None:
    service = Service(api_key="cfy_test_" + "ab" * 16)
    try:
        transport = httpx2.ASGITransport(application(service), raise_app_exceptions=True)
        scope_headers = {"authorization": f"Bearer {service.api_key}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            try:
                request = client.build_request(
                    method, f"/v1/{path}", headers=scope_headers, content=body
                )
                request.headers.update([(n.decode(), v.decode()) for n, v in pairs])
            except (ValueError, httpx2.InvalidURL):
                return  # not what a server would pass on
            answer = await client.send(request)
            assert answer.status_code < 500, answer.status_code
            if answer.content:
                answer.json()
    finally:
        service.close()


def diagnosis(data: bytes) -> None:
    """`diagnose` raises for nothing, accepts nothing unsigned, and shows no secret."""
    pairs, body, is_signed = _read_request(data)
    found = diagnose(body, pairs, SECRET, now=NOW)
    assert is_signed or not found.accepted
    assert not any(spelling in repr(found) for spelling in SPELLINGS)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "headers": headers,
    "verify": verify,
    "parse": parse_body,
    "receive": receive,
    "read_wsgi": read_body_wsgi,
    "read_asgi": read_body_asgi,
    "lower": lower_schema,
    "codegen": codegen,
    "sandbox": sandbox_api,
    "diagnose": diagnosis,
}
