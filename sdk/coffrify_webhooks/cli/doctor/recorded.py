"""A request as it was recorded, read from each form in which people have one."""

from __future__ import annotations

import json
from binascii import Error, a2b_base64
from datetime import datetime
from typing import Any, NamedTuple

from coffrify_webhooks.doctor.json_values import is_array, is_object
from coffrify_webhooks.errors import ConfigurationError

from .curl import read_curl
from .raw_http import read_raw

__all__ = ["FORMS", "Recorded", "read_request"]

FORMS = (
    "a raw HTTP request, a curl command, JSON with `headers` and `body` (or `body_base64`), a HAR "
    "file or entry, or an event of API Gateway or a load balancer"
)
_CURL = (b"curl ", b"curl\t", b"curl\\", b"curl.exe ")
_NO_FORM = f"the format of the request is not known; give {FORMS}"


class Recorded(NamedTuple):
    """One request."""

    body: bytes
    headers: list[tuple[str, str]]
    method: str = "POST"
    received_at: float | None = None
    """Seconds since 1970, where the form says it."""


def read_request(data: bytes) -> Recorded:
    """Read a request in any of the forms; raise ConfigurationError for what is none of them."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"{":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigurationError(
                "the request begins like JSON but is not JSON; for a body alone, give its headers "
                'too: {"headers": {...}, "body": "..."}'
            ) from None
        return _of_json(value)
    if text.removeprefix(b"$").lstrip()[:9].startswith(_CURL):
        return Recorded(*read_curl(text.decode("utf-8", "surrogateescape")))
    raw = read_raw(text)
    if raw is None:
        raise ConfigurationError(_NO_FORM)
    return Recorded(*raw)


def _of_json(value: dict[str, Any]) -> Recorded:
    if is_object(value.get("log")):
        entries = value["log"].get("entries") or ()
        posts = [each for each in entries if _method_of(each) == "POST"]
        if not posts:
            raise ConfigurationError("the HAR file has no POST request")
        return _of_har(posts[-1])
    if is_object(value.get("request")) and "headers" in value["request"]:
        return _of_har(value)
    if "requestContext" in value or "isBase64Encoded" in value or "multiValueHeaders" in value:
        return _of_gateway(value)
    if "headers" not in value:
        raise ConfigurationError(_NO_FORM)
    method = value.get("method", "POST")
    return Recorded(
        _body(value), _headers(value["headers"]), str(method), _moment(value.get("received_at"))
    )


def _method_of(entry: Any) -> str:
    request = entry.get("request") if is_object(entry) else None
    return str(request.get("method", "")).upper() if is_object(request) else ""


def _of_har(entry: dict[str, Any]) -> Recorded:
    request = entry["request"]
    posted = _object(request, "postData")
    text = posted.get("text", "")
    is_base64 = posted.get("encoding") == "base64"
    body = _decode(text) if is_base64 else _encode(text)
    return Recorded(
        body,
        _headers(request["headers"]),
        str(request.get("method", "POST")),
        _moment(entry.get("startedDateTime")),
    )


def _of_gateway(event: dict[str, Any]) -> Recorded:
    """Read an event of API Gateway (1.0, 2.0), of a function's URL, or of a load balancer."""
    context = _object(event, "requestContext")
    http = _object(context, "http")
    method = event.get("httpMethod") or http.get("method") or "POST"
    body = event.get("body") or ""
    # What the function saw: whether it decoded this is for the doctor to say.
    data = _decode(body) if event.get("isBase64Encoded") else _encode(body)
    milliseconds = context.get("timeEpoch") or context.get("requestTimeEpoch")
    moment = milliseconds / 1000 if isinstance(milliseconds, (int, float)) else None
    headers = event.get("multiValueHeaders") or event.get("headers")
    return Recorded(data, _headers(headers), str(method), moment)


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    inside = value.get(name)
    return inside if is_object(inside) else {}


def _body(value: dict[str, Any]) -> bytes:
    if "body_base64" in value:
        return _decode(value["body_base64"])
    body = value.get("body", "")
    if not isinstance(body, str):
        raise ConfigurationError(
            "`body` must be the text that arrived, not JSON that was parsed; or give it in "
            "`body_base64`"
        )
    return _encode(body)


def _encode(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ConfigurationError("the body of the request is not text")
    return text.encode("utf-8", "surrogatepass")


def _decode(text: Any) -> bytes:
    try:
        return a2b_base64(b"".join(_encode(text).split()), strict_mode=True)
    except Error:
        raise ConfigurationError("the body of the request is not in base64") from None


def _headers(value: Any) -> list[tuple[str, str]]:
    """Read a mapping, with a list for several values; or a list of pairs or objects."""
    pairs: list[tuple[Any, Any]] = []
    if is_object(value):
        pairs = list(value.items())
    for each in value if is_array(value) else ():
        if is_object(each):
            pairs.append((each.get("name"), each.get("value")))
        elif is_array(each) and len(each) == len(("name", "value")):
            pairs.append((each[0], each[1]))
    several = [
        (str(name), str(item))
        for name, text in pairs
        for item in (text if is_array(text) else [text])
    ]
    if not several and value not in ({}, [], None):
        raise ConfigurationError(
            "`headers` must be a mapping of names to values, or a list of pairs"
        )
    return several


def _moment(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError(
        "the time of the request must be seconds since 1970, or a text such as 2026-01-31T12:00:00Z"
    )
