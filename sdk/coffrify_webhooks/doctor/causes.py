"""What each code means, and the line to change: in general, and in the framework in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .diagnosis import Cause

if TYPE_CHECKING:
    from .diagnosis import Certainty, Finding

__all__ = ["CODES", "cause_of", "fix_for"]


class _Text(NamedTuple):
    message: str
    fix: str


_DASHBOARD = "Copy the endpoint's signing secret again from the Coffrify dashboard"
_VARIABLE = "COFFRIFY_WEBHOOK_SECRET"
_RAW = "Verify the raw bytes of the request, before anything parses or decodes them"
_PROXY = "Find the proxy, CDN, gateway or tool that does it, and let it pass the body on unchanged"
_UNTOUCHED = "Let the proxy or gateway in front pass the four signature headers on as they are"
_NTP = "Set this machine's clock by NTP (`timedatectl set-ntp true`), also after a suspended VM"

CODES: dict[str, _Text] = {
    "secret_quoted": _Text(
        "The secret has quotes, brackets or other text around it.",
        f"Write {_VARIABLE}=whsec_... without quotes; Docker's --env-file keeps them.",
    ),
    "secret_version_prefix": _Text(
        "The secret has the version of a signature, or a second prefix, in front of it.",
        f"Begin it with whsec_: {_VARIABLE}=whsec_..., without 'v1,'.",
    ),
    "secret_without_prefix": _Text(
        "The secret lacks the prefix whsec_.",
        f"Give the whole text that the dashboard shows: {_VARIABLE}=whsec_...",
    ),
    "secret_wrong_encoding": _Text(
        "The secret is decoded to a key other than the one that signed.",
        'Give the text that the dashboard shows, with Secret("...", encoding="auto"); to use it '
        'as it is, Secret("...", encoding="text").',
    ),
    "secret_truncated": _Text(
        "The secret is not complete.", f"{_DASHBOARD}, up to its last character."
    ),
    "secret_is_api_key": _Text(
        "The secret is an API key; deliveries are signed with the endpoint's signing secret.",
        f"{_DASHBOARD}; it begins with whsec_.",
    ),
    "secret_placeholder": _Text(
        "The secret is a placeholder, or the name of the place where the real one is.",
        f"{_DASHBOARD}, and check that the program receives it: `printenv {_VARIABLE}` in its "
        "shell.",
    ),
    "secret_whitespace": _Text(
        "The secret contains a space, a line ending or an invisible character.",
        f"Write it on one line without spaces; to see them, run `printenv {_VARIABLE} | cat -A`.",
    ),
    "secret_of_another_endpoint": _Text(
        "The request was signed with another secret than the one this endpoint uses.",
        f"{_DASHBOARD}, of the endpoint with this URL; during a rotation give both, as a list.",
    ),
    "body_reserialised": _Text(
        "The body was parsed as JSON and written again, so it is not what was signed.",
        f"{_RAW}: never json.dumps(request.json).",
    ),
    "body_newline_added": _Text(
        "A line ending or a space was added to the body.",
        f"{_PROXY}; with curl use --data-binary @file.",
    ),
    "body_newline_removed": _Text(
        "The line ending at the end of the body was removed.",
        f"{_PROXY}; drop .strip() and curl's --data, which removes the line endings of a file.",
    ),
    "body_crlf": _Text(
        "The line endings in the body were converted.",
        f"{_PROXY}; read and write it as bytes, never as text.",
    ),
    "body_bom": _Text(
        "A byte-order mark was added to the body, or removed from it.",
        f'{_PROXY}; write files as "utf-8", not "utf-8-sig".',
    ),
    "body_base64": _Text(
        "The body is encoded in base64, as API Gateway and load balancers do.",
        'Decode it first: base64.b64decode(event["body"]) if event["isBase64Encoded"].',
    ),
    "body_compressed": _Text(
        "The body is compressed, and the sender signs plain JSON.",
        "Switch off the compression of requests in the proxy, CDN or gateway in front.",
    ),
    "body_form_encoded": _Text(
        "The body is encoded as a form.",
        f"{_PROXY}; send JSON as the body itself, with Content-Type: application/json.",
    ),
    "body_charset_changed": _Text(
        "The characters of the body were converted from or to another charset than UTF-8.",
        f"{_RAW}; if you have only text, encode it with the charset with which it was decoded.",
    ),
    "body_empty": _Text(
        "The body is empty.",
        "Read the body before anything else consumes it; make sure that no redirect or proxy drops "
        "it.",
    ),
    "body_truncated": _Text(
        "The body is not complete: its end is missing, or its beginning.",
        "Raise the limit of the proxy or of the code that reads the body; read it to its end.",
    ),
    "body_altered": _Text(
        "The content of the body was changed on its way.",
        f"{_PROXY}.",
    ),
    "header_missing": _Text(
        "A signature header is missing.",
        f"{_UNTOUCHED}: webhook-id, webhook-timestamp, webhook-signature, X-Coffrify-Signature.",
    ),
    "header_renamed": _Text(
        "A signature header arrived under another name.",
        f"{_UNTOUCHED}, or pass them to verify() under their own names.",
    ),
    "header_duplicated": _Text(
        "A signature header arrived more than once.",
        f"{_UNTOUCHED}, and let only one of them set these headers.",
    ),
    "header_altered": _Text(
        "The value of a signature header was changed.",
        f"{_UNTOUCHED}; pass their text on without quoting, cutting, decoding or converting it.",
    ),
    "clock_ahead": _Text("This machine's clock is ahead of the sender's.", f"{_NTP}."),
    "clock_behind": _Text("This machine's clock is behind the sender's.", f"{_NTP}."),
    "timestamp_milliseconds": _Text(
        "A time is in milliseconds where seconds since 1970 are expected.",
        "Divide it by 1000: int(time.time()) in Python, Math.floor(Date.now() / 1000) in Node.",
    ),
    "timezone_mixed": _Text(
        "The two times differ by the offset of a time zone.",
        "Use time.time() or datetime.now(UTC).timestamp(), never datetime.utcnow().timestamp().",
    ),
    "stale": _Text(
        "The request is old: it was recorded, queued or sent again after its time.",
        "Ask for a redelivery, which is signed anew; for a recorded request say when it arrived.",
    ),
    "unknown": _Text(
        "No cause could be found.",
        f"{_DASHBOARD}, and compare the body with what the dashboard says was sent.",
    ),
}

_NAMES = {"flask": "Flask", "django": "Django", "starlette": "Starlette", "fastapi": "FastAPI"}
_READ_RAW = {
    "flask": "body = request.get_data()  # before request.json; or use CoffrifyWebhooks(app)",
    "django": "body = request.body  # before request.POST; or coffrify_webhooks.django.urls",
    "starlette": "body = await request.body()  # not request.json(); or use webhook_route()",
    "fastapi": "body = await request.body()  # not a pydantic model; or include webhook_router()",
}
_SECRETS = {
    "flask": 'app.config["COFFRIFY_WEBHOOKS"] = {"SECRETS": ["whsec_..."]}  # or the variable',
    "django": 'COFFRIFY_WEBHOOKS = {"SECRETS": ["whsec_..."]}  # or the variable',
    "starlette": 'webhook_route(Receiver(os.environ["COFFRIFY_WEBHOOK_SECRET"]))',
    "fastapi": 'webhook_router(Receiver(os.environ["COFFRIFY_WEBHOOK_SECRET"]))',
}
_OUTERMOST = {
    "flask": "app.wsgi_app = CoffrifyWebhooksMiddleware(app.wsgi_app)  # outermost",
    "django": "wrap the application in asgi.py or wsgi.py, outside of what reads the body",
    "starlette": "app = CoffrifyWebhooksMiddleware(app)  # outermost",
    "fastapi": "app = CoffrifyWebhooksMiddleware(app)  # outermost",
}


def cause_of(finding: Finding, certainty: Certainty) -> Cause:
    """Return the cause for a finding."""
    text = CODES[finding.code]
    message = f"{text.message} {finding.detail}" if finding.detail else text.message
    return Cause(finding.code, certainty, message, text.fix)


def fix_for(cause: Cause, framework: str) -> str:
    """Return the fix in a framework: "flask", "django", "starlette", "fastapi", or "" for none."""
    if cause.code in ("body_reserialised", "body_charset_changed", "body_empty"):
        special = _READ_RAW.get(framework)
    elif cause.code in ("body_crlf", "body_bom", "body_newline_added", "body_newline_removed"):
        special = _OUTERMOST.get(framework)
    elif cause.code.startswith("secret_"):
        special = _SECRETS.get(framework)
    else:
        special = None
    return f"{cause.fix} In {_NAMES[framework]}: {special}" if special else cause.fix
