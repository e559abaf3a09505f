"""Secrets, headers, and two mistakes at once, as real set-ups have them."""

import base64
import codecs
import gzip
import json
from urllib.parse import quote, quote_plus

from tests.doctor.real_event import (
    BASE64,
    BODY,
    HEADERS,
    HEX,
    NOW,
    OTHER,
    OWN,
    PRETTY,
    PYTHON,
    SECRET,
    SIGNATURE,
    STANDARD,
    TEXT,
    TEXT_SECRET,
    changed,
    headed,
    kept,
    likely,
    own,
    signed,
)
from tests.doctor.requests import Case

from coffrify_webhooks import Secret


def fruitless(name: str, code: str, text: str) -> Case:
    """Return a case with a text that is no secret, for a body over which a search ends soon."""
    body = b'{"type":"ping"}'
    return Case(name, (code,), body, signed(body), text, is_proven=False)


SECRETS = [
    kept(name, code, text)
    for name, code, text in (
        ("in backticks", "secret_quoted", f"`{SECRET}`"),
        ("in guillemets", "secret_quoted", f"\u00ab{SECRET}\u00bb"),
        ("with escaped quotes", "secret_quoted", f'\\"{SECRET}\\"'),
        ("a line of JavaScript", "secret_quoted", f'const S = "{SECRET}";'),
        ("a line of YAML", "secret_quoted", f"secret: {SECRET}"),
        ("an object of JSON", "secret_quoted", json.dumps({"secret": SECRET})),
        ("the query of a URL", "secret_quoted", f"https://example.com/?secret={SECRET}"),
        ("beside its endpoint", "secret_quoted", f"we_123:{SECRET}"),
        ("a soft hyphen", "secret_whitespace", f"{SECRET[:20]}\u00ad{SECRET[20:]}"),
        ("a tab in it", "secret_whitespace", f"{SECRET[:6]}\t{SECRET[6:]}"),
        ("in groups", "secret_whitespace", f"{SECRET[:22]} {SECRET[22:38]} {SECRET[38:]}"),
        ("a line's end of Windows, written", "secret_whitespace", SECRET + "\\r\\n"),
        ("two in lines", "secret_whitespace", f"{OTHER}\n{SECRET}"),
        ("a list of Python", "secret_whitespace", str([OTHER, SECRET])),
        ("a capital prefix", "secret_wrong_encoding", "WHSEC_" + SECRET[6:]),
        (
            "base64 twice",
            "secret_wrong_encoding",
            base64.b64encode(base64.b64encode(SECRET.encode())).decode(),
        ),
        ("in hexadecimal digits", "secret_wrong_encoding", SECRET.encode().hex()),
        ("v1= before it", "secret_version_prefix", f"v1={SECRET}"),
        ("three letters lost", "secret_truncated", SECRET[:-3]),
        ("the beginning lost", "secret_truncated", SECRET[5:]),
    )
] + [
    kept(
        "percent signs of an INI file",
        "secret_wrong_encoding",
        "ab%%cd-secret-long-enough",
        b"ab%cd-secret-long-enough",
    ),
    kept("dollars of Compose", "secret_wrong_encoding", "pa$$ss-secret-long", b"pa$ss-secret-long"),
    kept("escaped for a URL", "secret_wrong_encoding", quote(BASE64, safe="")),
    kept("escaped for a page", "secret_wrong_encoding", BASE64.replace("=", "&#61;")),
    kept(
        "a text without its prefix", "secret_without_prefix", TEXT_SECRET[6:], TEXT_SECRET.encode()
    ),
    kept(
        "a text without its last letter", "secret_truncated", TEXT_SECRET[:-1], TEXT_SECRET.encode()
    ),
    kept(
        "a text's line end",
        "secret_whitespace",
        Secret(TEXT_SECRET + "\r\n", encoding="text"),
        TEXT_SECRET.encode(),
    ),
    fruitless("a token's word before a key", "secret_is_api_key", "Bearer cof_live_abc0123456789"),
    fruitless("a JSON web token", "secret_is_api_key", "eyJhbGciOiJIUzI1NiJ9.e30.abc"),
    fruitless("an unfilled template", "secret_placeholder", "{{ .Values.secret }}"),
    fruitless("a mask of CI", "secret_placeholder", "***"),
    fruitless("an unset fallback", "secret_placeholder", "${COFFRIFY_WEBHOOK_SECRET:-}"),
    fruitless("a prefix with a dash", "secret_wrong_encoding", f"whsec-{SECRET[10:]}"),
]
HEADED = [
    headed(
        "camel case",
        "header_renamed",
        {"webhookId": "evt_9f3", "webhookTimestamp": str(NOW), "webhookSignature": SIGNATURE},
    ),
    headed("forwarded", "header_renamed", {f"X-Forwarded-{n}": t for n, t in STANDARD.items()}),
    headed(
        "another vendor's name",
        "header_renamed",
        {"X-Hub-Signature-256": OWN["X-Coffrify-Signature"]},
    ),
    headed(
        "folded",
        "header_altered",
        changed("webhook-signature", f"{SIGNATURE[:20]}\r\n {SIGNATURE[20:]}"),
    ),
    headed("semicolons", "header_altered", {"X-Coffrify-Signature": f"t={NOW};v1={HEX}"}),
    headed("another version", "header_altered", {"X-Coffrify-Signature": f"t={NOW},v0={HEX}"}),
    headed(
        "the digits alone",
        "header_altered",
        {"X-Coffrify-Signature": HEX, "webhook-timestamp": str(NOW)},
    ),
    headed(
        "the time in another header",
        "header_altered",
        {"X-Coffrify-Signature": f"v1={HEX}", "X-Coffrify-Timestamp": str(NOW)},
    ),
    headed(
        "base64 for URLs",
        "header_altered",
        changed("webhook-signature", SIGNATURE.replace("+", "-").replace("/", "_").rstrip("=")),
    ),
    headed(
        "in hexadecimal digits",
        "header_altered",
        changed("webhook-signature", "v1," + base64.b64decode(SIGNATURE[3:]).hex()),
    ),
    headed(
        "escaped for a URL",
        "header_altered",
        changed("webhook-signature", quote(SIGNATURE, safe="")),
    ),
    headed("the list of Python", "header_altered", {n: str([t]) for n, t in STANDARD.items()}),
    headed(
        "changed places",
        "header_altered",
        {**STANDARD, "webhook-id": str(NOW), "webhook-timestamp": "evt_9f3"},
    ),
    headed("the time with commas", "header_altered", changed("webhook-timestamp", f"{NOW:,}")),
    headed("the time as a float", "header_altered", changed("webhook-timestamp", "1.764e+09")),
    headed("the id joined", "header_duplicated", changed("webhook-id", "evt_9f3, evt_9f3")),
    headed(
        "signed in milliseconds, the other scheme",
        "timestamp_milliseconds",
        own(BODY, time=NOW * 1000),
    ),
    likely(headed("masked by a log", "header_altered", changed("webhook-signature", "[FILTERED]"))),
    likely(headed("emptied", "header_altered", changed("webhook-signature", ""))),
    headed("the digits without any time", "header_altered", {"X-Coffrify-Signature": HEX}),
]
TWICE = [
    Case(
        "quoted, and JavaScript",
        ("secret_quoted", "body_reserialised"),
        BODY,
        signed(PYTHON.encode()),
        f'"{SECRET}"',
    ),
    Case(
        "encoded, and Python",
        ("secret_wrong_encoding", "body_reserialised"),
        PYTHON.encode(),
        HEADERS,
        base64.b64encode(SECRET.encode()).decode(),
    ),
    Case(
        "gzip of base64, and quoted",
        ("body_base64", "body_compressed", "secret_quoted"),
        base64.b64encode(gzip.compress(BODY)),
        HEADERS,
        f"'{SECRET}'",
    ),
    Case(
        "cut off, and a line's end",
        ("secret_truncated", "body_newline_added"),
        BODY + b"\n",
        HEADERS,
        SECRET[:-1],
    ),
    Case(
        "cut off, and quoted",
        ("secret_truncated", "secret_quoted"),
        BODY,
        HEADERS,
        f'"{SECRET[:-1]}"',
    ),
    Case(
        "a mark, and Windows",
        ("body_bom", "body_crlf"),
        codecs.BOM_UTF8 + PRETTY.replace(b"\n", b"\r\n"),
        signed(PRETTY),
        SECRET,
    ),
    Case(
        "a form, and quoted",
        ("body_form_encoded", "secret_quoted"),
        b"payload=" + quote_plus(TEXT).encode(),
        HEADERS,
        f'"{SECRET}"',
    ),
    Case(
        "the id lost, and a line's end",
        ("header_missing", "body_newline_added"),
        BODY + b"\n",
        {n: t for n, t in STANDARD.items() if n != "webhook-id"},
        SECRET,
    ),
    Case(
        "a zone, and Latin-1",
        ("timezone_mixed", "body_charset_changed"),
        BODY.decode("latin-1").encode(),
        HEADERS,
        SECRET,
        NOW + 7201,
    ),
]
