"""Requests as real set-ups spoil them, each with the codes that say why."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from coffrify_webhooks import Secret, sign

NOW = 1_764_000_000
KEY = bytes(range(7, 39))
SECRET = f"whsec_{KEY.hex()}"
BASE64 = f"whsec_{base64.b64encode(KEY).decode()}"
OTHER = f"whsec_{bytes(range(101, 133)).hex()}"
TEXT = (
    '{"id":"evt_1","type":"transfer.created","created_at":"2025-11-24T16:00:00Z",'
    '"data":{"id":"tr_1","title":"caf\u00e9 a/b <x>","size":12,"ratio":1.0,"tags":["x","y"]}}'
)
BODY = TEXT.encode()
HEADERS = {**sign(BODY, SECRET, timestamp=NOW), "Content-Type": "application/json"}
STANDARD = {name: text for name, text in HEADERS.items() if not name.startswith("X-")}
OWN = {"X-Coffrify-Signature": HEADERS["X-Coffrify-Signature"]}
VALUE = json.loads(TEXT)
JS = TEXT.replace("1.0", "1")
SIGNATURE = HEADERS["webhook-signature"]


class Case(NamedTuple):
    """A request and the codes expected, the first one first."""

    name: str
    codes: tuple[str, ...]
    body: Any = BODY
    headers: Any = HEADERS
    secrets: Any = SECRET
    now: float = NOW + 2
    is_proven: bool = True


def without(*names: str, of: Mapping[str, str] = STANDARD) -> dict[str, str]:
    return {name: text for name, text in of.items() if name not in names}


def signed(body: bytes, secret: Any = SECRET, **more: str) -> dict[str, str]:
    return {**sign(body, secret, timestamp=NOW), **more}


def changed(name: str, text: Any, of: Mapping[str, str] = STANDARD) -> dict[str, Any]:
    return {**of, name: text}


def written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def secret(name: str, code: str, text: Any, *, is_proven: bool = True, **more: Any) -> Case:
    return Case(name, (code,), secrets=text, is_proven=is_proven, **more)


def body(name: str, code: str, data: Any, *, is_proven: bool = True, **more: Any) -> Case:
    return Case(name, (code,), body=data, is_proven=is_proven, **more)


def header(name: str, code: str, headers: Any, *, is_proven: bool = True, **more: Any) -> Case:
    return Case(name, (code,), headers=headers, is_proven=is_proven, **more)


PRETTY = b'{\n  "id": "evt_1",\n  "type": "ping",\n  "data": {}\n}\n'
ODD = b'{"id":"evt_1", "type" : "ping","data": {"a":1,"b" :2,"c":[ 1,2 ]}}'
GATEWAY = {"version": "2.0", "headers": {}, "body": TEXT, "isBase64Encoded": False}
AT = f'{{"id":"evt_1","type":"ping","data":"{"x" * 300}"}}'.encode()

SECRETS = [
    secret("double quotes of an env file", "secret_quoted", f'"{SECRET}"'),
    secret("single quotes of an env file", "secret_quoted", f"'{SECRET}'"),
    secret("typographic quotes of a document", "secret_quoted", f"\u201c{SECRET}\u201d"),
    secret("quotes around quotes, of YAML", "secret_quoted", f"'\"{SECRET}\"'"),
    secret("repr of bytes", "secret_quoted", f"b'{SECRET}'"),
    secret("JSON list in a variable", "secret_quoted", f'["{SECRET}"]'),
    secret("the whole line of an env file", "secret_quoted", f"COFFRIFY_WEBHOOK_SECRET={SECRET}"),
    secret("a header's value", "secret_quoted", f"Bearer {SECRET}"),
    secret("version of a signature", "secret_version_prefix", f"v1,{SECRET}"),
    secret("prefix twice", "secret_version_prefix", f"whsec_{SECRET}"),
    secret("without prefix, hex", "secret_without_prefix", KEY.hex()),
    secret(
        "without prefix, base64",
        "secret_without_prefix",
        BASE64.removeprefix("whsec_"),
        headers=signed(BODY, BASE64),
    ),
    secret("pinned to text", "secret_wrong_encoding", Secret(SECRET, encoding="text")),
    secret("pinned to base64", "secret_wrong_encoding", Secret(SECRET, encoding="base64")),
    secret(
        "sender that signs with what follows the prefix",
        "secret_wrong_encoding",
        SECRET,
        headers=signed(BODY, Secret(KEY.hex(), encoding="text")),
    ),
    secret(
        "as Kubernetes shows it",
        "secret_wrong_encoding",
        base64.b64encode(f"{SECRET}\n".encode()).decode(),
    ),
    secret(
        "escaped as in a URL",
        "secret_wrong_encoding",
        f"whsec_{quote(base64.b64encode(KEY[:-1]).decode(), safe='')}",
        headers=signed(BODY, f"whsec_{base64.b64encode(KEY[:-1]).decode()}"),
    ),
    secret(
        "capital letters",
        "secret_wrong_encoding",
        SECRET.upper(),
        headers=signed(BODY, Secret(SECRET, encoding="text")),
    ),
    secret(
        "plus read as a blank in it",
        "secret_wrong_encoding",
        "whsec_Jz +fn/vQ0 4eR5t/Yu8iP2aS4dF6gH8jK",
        headers=signed(BODY, "whsec_Jz++fn/vQ0+4eR5t/Yu8iP2aS4dF6gH8jK"),
    ),
    secret("last letter lost", "secret_truncated", SECRET[:-1]),
    secret("first letters lost", "secret_truncated", SECRET[3:]),
    secret("half of it lost", "secret_truncated", SECRET[:30], is_proven=False),
    secret("an API key", "secret_is_api_key", "cof_live_4f9a8b7c6d5e4f3a2b1c", is_proven=False),
    secret("another service's key", "secret_is_api_key", "sk_live_4f9a8b7c6d5e", is_proven=False),
    secret("a signature", "secret_version_prefix", f"sha256={'ab' * 32}", is_proven=False),
    secret(
        "code instead of its value", "secret_placeholder", "process.env.SECRET", is_proven=False
    ),
    secret("a placeholder", "secret_placeholder", "whsec_your_secret_here", is_proven=False),
    secret("dots of a page", "secret_placeholder", "whsec_0708090a...", is_proven=False),
    secret("a variable nobody put in", "secret_placeholder", "${WEBHOOK_SECRET}", is_proven=False),
    secret("a reference to a vault", "secret_placeholder", "op://prod/hook/key", is_proven=False),
    secret("a line's end in it", "secret_whitespace", f"{SECRET[:40]}\n{SECRET[40:]}"),
    secret("a space of no width", "secret_whitespace", f"\u200b{SECRET}\ufeff"),
    secret("a line's end as written", "secret_whitespace", f"{SECRET}\\n"),
    secret("several in one text", "secret_whitespace", f"{OTHER},{SECRET}"),
    secret(
        "a line's end, pinned as text",
        "secret_whitespace",
        Secret(f"{SECRET}\n", encoding="text"),
        headers=signed(BODY, Secret(SECRET, encoding="text")),
    ),
    secret("repr of our own class", "secret_quoted", f"Secret('{SECRET}')"),
    secret("pasted twice", "secret_whitespace", SECRET + SECRET),
    secret("a comment behind it", "secret_quoted", f"{SECRET} # of the shop"),
    secret("blank after the version", "secret_version_prefix", f"v1,{SECRET} "),
    secret(
        "quoted API key", "secret_is_api_key", "'cof_live_4f9a8b7c6d5e4f3a2b1c'", is_proven=False
    ),
    secret(
        "the one before the rotation",
        "secret_of_another_endpoint",
        [OTHER, Secret(SECRET, not_after=NOW - 60)],
    ),
]
BODIES = [
    body("json.dumps(request.json)", "body_reserialised", json.dumps(VALUE).encode()),
    body("JSON.stringify(req.body)", "body_reserialised", JS.encode()),
    body(
        "JSON.stringify with indentation", "body_reserialised", json.dumps(VALUE, indent=2).encode()
    ),
    body(
        "json_encode of PHP",
        "body_reserialised",
        JS.replace("/", "\\/").replace("\u00e9", "\\u00e9").encode(),
    ),
    body(
        "json.Marshal of Go",
        "body_reserialised",
        TEXT.replace("<", "\\u003c").replace(">", "\\u003e").encode(),
    ),
    body(
        "escapes of .NET",
        "body_reserialised",
        TEXT.replace("<", "\\u003C").replace(">", "\\u003E").replace("\u00e9", "\\u00E9").encode(),
    ),
    body(
        "compact from a pretty one",
        "body_reserialised",
        b'{"id":"evt_1","type":"ping","data":{}}',
        headers=signed(PRETTY.strip()),
    ),
    body("str(request.json)", "body_reserialised", str(VALUE).encode()),
    body(
        "str(request.body)",
        "body_reserialised",
        str(b'{"id":"evt_1"}').encode(),
        headers=signed(b'{"id":"evt_1"}'),
    ),
    body("JSON within JSON", "body_reserialised", json.dumps(TEXT).encode()),
    body("a parsed body", "body_reserialised", VALUE),
    body(
        "top-level keys in order",
        "body_reserialised",
        json.dumps(dict(sorted(VALUE.items())), ensure_ascii=False, separators=(",", ":")).encode(),
    ),
    body(
        "sorted throughout",
        "body_reserialised",
        json.dumps(VALUE, sort_keys=True).encode(),
        is_proven=False,
    ),
    body(
        "irregular blanks lost",
        "body_reserialised",
        json.dumps(json.loads(ODD)).encode(),
        headers=signed(ODD, **{"Content-Length": str(len(ODD))}),
        is_proven=False,
    ),
    body(
        "shorter than its length",
        "body_reserialised",
        json.dumps(json.loads(ODD), separators=(",", ":")).encode(),
        headers=signed(ODD, **{"Content-Length": str(len(ODD))}),
        is_proven=False,
    ),
    body(
        "a price's last digit lost",
        "body_reserialised",
        b'{"id":"evt_1","type":"ping","data":{"price":10.5}}',
        headers=signed(b'{"id":"evt_1","type":"ping","data":{"price":10.50}}'),
    ),
    body(
        "a number that JavaScript rounded",
        "body_reserialised",
        b'{"id":"evt_1","type":"ping","data":{"n":12345678901234567000}}',
        headers=signed(b'{"id":"evt_1","type":"ping","data":{"n":12345678901234567890}}'),
        is_proven=False,
    ),
    body("a line's end at the end", "body_newline_added", BODY + b"\n"),
    body("a line's end of Windows", "body_newline_added", BODY + b"\r\n"),
    body("stripped", "body_newline_removed", PRETTY.strip(), headers=signed(PRETTY)),
    body(
        "line ends of Windows", "body_crlf", PRETTY.replace(b"\n", b"\r\n"), headers=signed(PRETTY)
    ),
    body("line ends of Unix", "body_crlf", PRETTY, headers=signed(PRETTY.replace(b"\n", b"\r\n"))),
    body("saved by a Windows editor", "body_bom", b"\xef\xbb\xbf" + BODY),
    body("API Gateway", "body_base64", base64.b64encode(BODY)),
    body("API Gateway, URL-safe", "body_base64", base64.urlsafe_b64encode(BODY).rstrip(b"=")),
    body(
        "base64 of something else",
        "body_base64",
        base64.b64encode(BODY.replace(b"12", b"13")),
        is_proven=False,
    ),
    body("a queue's records", "body_altered", json.dumps({"Records": [{"body": TEXT}]}).encode()),
    body(
        "a field added inside",
        "body_altered",
        JS.replace('"size":12', '"size":12,"ip":"::1"').encode(),
        headers=signed(JS.encode()),
    ),
    body("cut within a letter", "body_truncated", BODY[: BODY.index(b"\xc3") + 1], is_proven=False),
    body("a list of numbers", "body_reserialised", list(BODY)),
    body("a Buffer of Node", "body_reserialised", written({"type": "Buffer", "data": list(BODY)})),
    body(
        "an array of Node, by its places",
        "body_reserialised",
        written({str(place): byte for place, byte in enumerate(BODY)}),
    ),
    body("the name of a parsed form's field", "body_form_encoded", written({TEXT: ""})),
    body("str() of a parsed form", "body_form_encoded", str({TEXT: [""]}).encode()),
    body(
        "a push of Pub/Sub",
        "body_base64",
        written({"message": {"data": base64.b64encode(BODY).decode(), "messageId": "1"}}),
    ),
    body(
        "a message of SNS in a function",
        "body_altered",
        written({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": TEXT}}]}),
    ),
    body(
        "a message of SNS in a record of SQS",
        "body_altered",
        written({"Records": [{"body": json.dumps({"Type": "Notification", "Message": TEXT})}]}),
    ),
    body(
        "a record of Kinesis",
        "body_base64",
        written({"Records": [{"kinesis": {"data": base64.b64encode(BODY).decode()}}]}),
    ),
    body(
        "all line ends lost, as by curl's --data",
        "body_newline_removed",
        PRETTY.replace(b"\n", b""),
        headers=signed(PRETTY),
    ),
    body(
        "a value that a filter masked",
        "body_altered",
        TEXT.replace("caf\u00e9 a/b <x>", "[Filtered]").encode(),
        is_proven=False,
    ),
    body("gzip", "body_compressed", gzip.compress(BODY)),
    body("deflate", "body_compressed", zlib.compress(BODY)),
    body(
        "brotli, by its header",
        "body_compressed",
        b"\x0b\x30\x80" + BODY[:40],
        headers={**HEADERS, "Content-Encoding": "br"},
        is_proven=False,
    ),
    body("a form's field", "body_form_encoded", b"payload=" + quote_plus(TEXT).encode()),
    body("a form's only key", "body_form_encoded", quote_plus(TEXT).encode() + b"="),
    body(
        "multipart",
        "body_form_encoded",
        b'--x\r\nContent-Disposition: form-data; name="payload"\r\n\r\n' + BODY + b"\r\n--x--\r\n",
    ),
    body("written as Latin-1", "body_charset_changed", TEXT.encode("latin-1")),
    body("read as Latin-1", "body_charset_changed", BODY.decode("latin-1").encode()),
    body("UTF-16 of PowerShell", "body_charset_changed", TEXT.encode("utf-16")),
    body(
        "characters replaced",
        "body_charset_changed",
        TEXT.replace("\u00e9", "\ufffd").encode(),
        is_proven=False,
    ),
    body("consumed before", "body_empty", b"", is_proven=False),
    body("an empty list of a parser", "body_empty", b"[]", is_proven=False),
    body("str(None)", "body_empty", b"None", is_proven=False),
    body("an empty object of a parser", "body_empty", b"{}", is_proven=False),
    body("cut at a limit", "body_truncated", AT[:200], headers=signed(AT), is_proven=False),
    body("the last brackets lost", "body_truncated", BODY[:-2]),
    body(
        "a field added by a proxy",
        "body_altered",
        json.dumps(
            {**json.loads(JS), "ip": "::1"}, ensure_ascii=False, separators=(",", ":")
        ).encode(),
        headers=signed(JS.encode()),
    ),
    body("the event of a gateway", "body_altered", json.dumps(GATEWAY).encode()),
    body(
        "a message of a queue",
        "body_altered",
        json.dumps({"Type": "Notification", "Message": TEXT}).encode(),
    ),
    body(
        "escaped as in a page",
        "body_altered",
        TEXT.replace("<", "&lt;").replace(">", "&gt;").encode(),
    ),
    body(
        "an error page", "body_altered", b"<html><body>Bad gateway</body></html>", is_proven=False
    ),
]
HEADERS_SPOILT = [
    header(
        "all of them dropped",
        "header_missing",
        {"Content-Type": "application/json"},
        is_proven=False,
    ),
    header("the id dropped", "header_missing", without("webhook-id")),
    header("the time dropped", "header_missing", without("webhook-timestamp")),
    header("a prefix", "header_renamed", {f"X-{name}": text for name, text in STANDARD.items()}),
    header("names with their colon", "header_renamed", {f"{n}:": t for n, t in STANDARD.items()}),
    header("names with a blank", "header_renamed", {f"{n} ": t for n, t in STANDARD.items()}),
    header(
        "names of WSGI",
        "header_renamed",
        {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in STANDARD.items()},
    ),
    header(
        "names of another vendor",
        "header_renamed",
        {name.replace("webhook", "svix"): text for name, text in STANDARD.items()},
    ),
    header(
        "API Gateway's remapping",
        "header_renamed",
        {f"x-amzn-remapped-{name}": text for name, text in OWN.items()},
    ),
    header(
        "another name altogether", "header_renamed", {"X-Signature": OWN["X-Coffrify-Signature"]}
    ),
    header("the id twice", "header_duplicated", [*STANDARD.items(), ("webhook-id", "evt_1")]),
    header(
        "the time twice, joined", "header_duplicated", changed("webhook-timestamp", f"{NOW}, {NOW}")
    ),
    header(
        "quoted values", "header_altered", {name: f'"{text}"' for name, text in STANDARD.items()}
    ),
    header(
        "values as repr of bytes",
        "header_altered",
        {name: str(text.encode()) for name, text in STANDARD.items()},
    ),
    header(
        "plus read as a blank",
        "header_altered",
        changed("webhook-signature", SIGNATURE.replace("+", " ").replace("=", "%3D")),
    ),
    header("small letters", "header_altered", changed("webhook-signature", SIGNATURE.lower())),
    header("cut off", "header_altered", changed("webhook-signature", SIGNATURE[:30])),
    header("the version dropped", "header_altered", changed("webhook-signature", SIGNATURE[3:])),
    header("another id", "header_altered", changed("webhook-id", "req-77")),
    header(
        "the time as a date", "header_altered", changed("webhook-timestamp", "2025-11-24T16:00:00Z")
    ),
    header("the time with a fraction", "header_altered", changed("webhook-timestamp", f"{NOW}.0")),
    header(
        "the time in nanoseconds",
        "timestamp_milliseconds",
        changed("webhook-timestamp", f"{NOW}000000000"),
    ),
    header("values as lists", "header_altered", {name: [text] for name, text in HEADERS.items()}),
    header(
        "the time in milliseconds",
        "timestamp_milliseconds",
        changed("webhook-timestamp", f"{NOW}000"),
    ),
    header(
        "a time in another zone", "timezone_mixed", changed("webhook-timestamp", f"{NOW + 3600}")
    ),
    header(
        "signed in milliseconds", "timestamp_milliseconds", sign(BODY, SECRET, timestamp=NOW * 1000)
    ),
]
CLOCKS = [
    Case("our clock ahead", ("clock_ahead",), now=NOW + 600),
    Case("our clock behind", ("clock_behind",), now=NOW - 600),
    Case("our clock far behind", ("clock_behind",), now=NOW - 90_000),
    Case("our clock in local time", ("timezone_mixed",), now=NOW + 7200 + 3),
    Case("our clock in local time, west", ("timezone_mixed",), now=NOW - 5 * 3600),
    Case("our clock in local time, half an hour", ("timezone_mixed",), now=NOW - 19_800),
    Case("now in milliseconds", ("timestamp_milliseconds",), now=(NOW + 2) * 1000),
    Case("sent again after a day", ("stale",), now=NOW + 90_061),
    Case(
        "old by the Date header too",
        ("stale",),
        now=NOW + 700,
        headers={**HEADERS, "Date": "Mon, 24 Nov 2025 16:11:40 GMT"},
    ),
]
TWO = [
    Case(
        "quoted, and a line's end",
        ("secret_quoted", "body_newline_added"),
        BODY + b"\n",
        secrets=f'"{SECRET}"',
    ),
    Case(
        "written anew, and a clock",
        ("body_reserialised", "clock_behind"),
        json.dumps(VALUE).encode(),
        now=NOW - 900,
    ),
    Case(
        "base64 of gzip", ("body_base64", "body_compressed"), base64.b64encode(gzip.compress(BODY))
    ),
    Case(
        "renamed, and without prefix",
        ("header_renamed", "secret_without_prefix"),
        headers={f"X-{n}": t for n, t in STANDARD.items()},
        secrets=KEY.hex(),
    ),
    Case(
        "version, and quoted", ("secret_version_prefix", "secret_quoted"), secrets=f'"v1,{SECRET}"'
    ),
    Case(
        "renamed, and a body in base64",
        ("header_renamed", "body_base64"),
        base64.b64encode(BODY),
        {f"X-{n}": t for n, t in STANDARD.items()},
    ),
    Case(
        "an API key, and a stale one",
        ("secret_is_api_key", "stale"),
        secrets="cof_live_4f9a8b7c6d5e4f3a2b1c",
        now=NOW + 90_061,
        is_proven=False,
    ),
]
BROKEN: Iterable[Case] = [*SECRETS, *BODIES, *HEADERS_SPOILT, *CLOCKS]

PING = b'{"id":"evt_2","type":"ping","data":{}}'
SOUND = [
    Case("plain", ()),
    Case("standard alone", (), headers=STANDARD),
    Case("coffrify alone", (), headers=OWN),
    Case(
        "pairs of bytes", (), headers=[(n.lower().encode(), t.encode()) for n, t in HEADERS.items()]
    ),
    Case("base64 secret", (), headers=signed(BODY, BASE64), secrets=BASE64),
    Case("rotation", (), secrets=[OTHER, SECRET]),
    Case("a function for the secrets", (), secrets=lambda: [SECRET]),
    Case("a line's end around the secret", (), secrets=f" {SECRET}\n"),
    Case("299 seconds late", (), now=NOW + 299),
    Case("indented by the sender", (), body=PRETTY, headers=signed(PRETTY)),
    Case("no JSON at all", (), body=b"\xff\x00", headers=signed(b"\xff\x00")),
    Case(
        "a form that was signed",
        (),
        body=b"a=1",
        headers={**signed(b"a=1"), "Content-Type": "application/x-www-form-urlencoded"},
    ),
]
FORGED = [
    Case("another secret", ("unknown",), headers=signed(BODY, OTHER)),
    Case("another secret, ping", ("unknown",), body=PING, headers=signed(PING, OTHER)),
    Case("another secret, a text", ("unknown",), secrets="a-plain-secret,long-enough"),
    Case("another secret, base64", ("unknown",), headers=signed(BODY, OTHER), secrets=BASE64),
    Case("a value changed", ("unknown",), body=BODY.replace(b'"size":12', b'"size":13')),
    Case("the body of another event", ("unknown",), body=PING),
    Case(
        "made-up signature",
        ("unknown",),
        headers=changed("webhook-signature", "v1," + "A" * 43 + "="),
    ),
    Case("another type", ("unknown",), body=BODY.replace(b"created", b"deleted")),
    Case("a field removed", ("unknown",), body=BODY.replace(b'"size":12,', b"")),
    Case(
        "small body, spaced",
        ("unknown",),
        body=b'{"id": "evt_1", "type": "ping"}',
        headers=signed(b'{"id": "evt_1", "type": "ping"}', OTHER),
    ),
    Case(
        "two schemes, of two others",
        ("unknown",),
        headers={**signed(BODY, OTHER), "X-Coffrify-Signature": f"t={NOW},v1={'ab' * 32}"},
    ),
]
