"""Whatever a stranger sends: no other exception, no second run, no secret and no payload shown."""

import base64
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.budgets import budget

from coffrify_webhooks import (
    Delivery,
    Event,
    PayloadError,
    Receiver,
    Reply,
    Router,
    VerificationError,
    Verifier,
    parse,
    sign,
)

NOW = 1_763_900_000
KEY = bytes(range(201, 233))
SECRET = "whsec_" + KEY.hex()
MARKER = "a-file-name-nobody-may-read"
BODY = json.dumps(
    {
        "id": "evt_1",
        "type": "transfer.created",
        "data": {"id": "tr_1", "transfer_title": MARKER, "files": [{"id": "f", "name": MARKER}]},
    }
).encode()
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature", "X-Coffrify-Signature")

VERIFIER = Verifier(SECRET, clock=lambda: NOW)


class Setup:
    """A receiver of its own, with the events that its one handler was called with."""

    def __init__(self, **options: Any) -> None:
        self.handled: list[Event] = []
        router = Router()
        router.on("*", name="remember")(self.remember)
        options = {"store": "memory:", "router": router, "clock": lambda: NOW, **options}
        self.receiver = Receiver(SECRET, **options)

    def remember(self, event: Event) -> None:
        self.handled.append(event)

    def __call__(self, body: bytes, headers: Any) -> Reply:
        reply = self.receiver.receive(body, headers)
        assert type(reply) is Reply
        assert json.loads(reply.body).keys() in ({"outcome"}, {"error"})
        return reply


@pytest.fixture
def setup() -> Setup:
    return Setup()


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """Thousands of log records are for one test below, not for this whole file."""
    logger = logging.getLogger("coffrify_webhooks")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def signed(body: bytes = BODY, **options: Any) -> dict[str, str]:
    return sign(body, SECRET, timestamp=NOW, **options)


def verdict(body: Any, headers: Any) -> Delivery | None:
    """The delivery, or None if it was refused in the one permitted way."""
    try:
        return VERIFIER.verify(body, headers)
    except VerificationError:
        return None


def read(body: bytes) -> Event | None:
    """The event, or None if it was refused in the one permitted way."""
    try:
        return parse(body)
    except PayloadError:
        return None


# --- any bytes, any text ----------------------------------------------------------------------

ODD = 'aZ09._-+/=,; \t\r\n\0"\\\x7f\x80\u00e9\u0661\u2028\ufeff\uff11\U0001f600\ud800\udfff'
ANY_TEXT = st.one_of(
    st.text(st.sampled_from(ODD), max_size=12),  # lone surrogates included
    st.text(st.characters(), max_size=12),
)
HEADER_VALUES = st.one_of(
    ANY_TEXT,
    st.binary(max_size=60),
    st.sampled_from([*signed().values(), str(NOW), f"t={NOW},v1=", "v1,", "true"]),
)
HEADER_NAMES = st.one_of(
    st.sampled_from([*NAMES, *(name.upper() for name in NAMES), "X-Coffrify-Test-Delivery"]),
    st.sampled_from([name.lower().encode() for name in NAMES]),
    ANY_TEXT,
    st.binary(max_size=30),
)
HEADERS = st.one_of(
    st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=5),
    st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=5),
    st.fixed_dictionaries(dict.fromkeys(NAMES, HEADER_VALUES)),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=4,
)
ENVELOPE_KEYS = st.sampled_from(
    [
        *("id", "type", "data", "cls", "self", "values", "_fields_set", "model_config", "_raw"),
        *("raw", "issues", "_issues", "__class__", "__dict__", "model_extra", "model_fields"),
        *("files", "name", "model_copy", "model_post_init", "__pydantic_extra__", "event_class"),
    ]
)
TYPES = st.sampled_from(
    [
        "transfer.created",
        "webhook.endpoint_disabled",
        "api_key.created",
        "ping",
        "new.type",
        "?",
        "*",
    ]
)
DATA = st.one_of(
    JSON_VALUES,
    st.dictionaries(
        st.one_of(
            ENVELOPE_KEYS,
            st.sampled_from(["created_at", "scopes", "events", "retry_policy", "size", "status"]),
        ),
        JSON_VALUES,
        max_size=3,
    ),
)
EVENT_LIKE = st.builds(
    lambda extra, type_, data: json.dumps({**extra, "type": type_, "data": data}).encode(),
    st.dictionaries(ENVELOPE_KEYS, JSON_VALUES, max_size=3),
    TYPES,
    DATA,
)
BODIES = st.one_of(
    st.binary(max_size=80),
    EVENT_LIKE,
    JSON_VALUES.map(lambda value: json.dumps(value, ensure_ascii=False)).map(
        lambda text: text.encode(errors="surrogatepass")
    ),
    EVENT_LIKE.flatmap(
        lambda body: st.integers(0, len(body)).map(lambda cut: body[:cut] + b"\xff" + body[cut:])
    ),
)


@given(BODIES, HEADERS)
@settings(max_examples=budget(100, 2000), deadline=None, derandomize=True)
def test_verify_returns_or_raises_its_own(body: bytes, headers: Any) -> None:
    """For any body and headers, verify gives a delivery or a VerificationError."""
    verdict(body, headers)


@given(BODIES)
@settings(max_examples=budget(100, 2000), deadline=None, derandomize=True)
@example(b'{"type":"x","id":5,"cls":1}')
@example(b'{"type":"x","id":5,"_fields_set":1}')
@example(b'{"type":"transfer.created","data":{"cls":1}}')
def test_parse_returns_or_raises_its_own(body: bytes) -> None:
    """For any body, parse gives an event that keeps the bytes, or a PayloadError."""
    event = read(body)
    if event is not None:
        assert event.raw is body
        assert isinstance(event.type, str)
        repr(event)
        repr(event.data)


@given(BODIES, HEADERS, st.booleans())
@settings(max_examples=budget(100, 1500), deadline=None, derandomize=True)
def test_receive_always_replies(body: bytes, headers: Any, genuine: bool) -> None:  # noqa: FBT001 - given
    """For any body and headers, signed or not, receive gives a Reply without a fault of ours."""
    setup = SHARED
    reply = setup(body, sign(body, SECRET, timestamp=NOW) if genuine else headers)
    outcomes = (
        {"handled", "unreadable", "duplicate", "conflict", "busy"} if genuine else {"rejected"}
    )
    assert reply.outcome in {*outcomes, "rejected"}
    assert reply.error is None or reply.error.code != "error"


SHARED = Setup()


def test_any_change_of_the_body_is_refused(setup: Setup) -> None:
    """With any byte of the body changed, dropped or doubled, nothing is handled."""
    headers = signed()
    for place in range(len(BODY)):
        before, byte, after = BODY[:place], BODY[place : place + 1], BODY[place + 1 :]
        others = [bytes([byte[0] ^ 1 << bit]) for bit in range(8)]
        for put in (*others, b"", byte * 2, b"\xff", b"\0"):
            if put != byte:
                assert verdict(before + put + after, headers) is None
        assert setup(before + b"\xff" + after, headers).outcome == "rejected"
    for body in (
        BODY + b"\n",
        b" " + BODY,
        b"",
        b"\xef\xbb\xbf" + BODY,
        BODY.decode().encode("utf-16"),
    ):
        assert verdict(body, headers) is None
    assert setup.handled == []


@pytest.mark.parametrize("scheme", ["standard", "coffrify"])
@pytest.mark.parametrize("as_bytes", [False, True], ids=["str", "bytes"])
def test_any_change_of_a_header(scheme: str, *, as_bytes: bool) -> None:
    """With any byte of a signed header changed, it is refused, or it says exactly the same."""
    names = NAMES[:3] if scheme == "standard" else NAMES[3:]
    good = {name: signed()[name] for name in names}
    characters = [chr(code) for code in (*range(256), 0x661, 0xFF11, 0xD800, 0x1F600)]
    told = set()
    for name in names:
        value = good[name]
        for place in range(len(value)):
            before, old, after = value[:place], value[place], value[place + 1 :]
            for put in (*characters, "", old * 2, old + " ", old + ",", old + "="):
                if put == old or (as_bytes and any(ord(character) > 255 for character in put)):
                    continue
                changed = before + put + after
                sent: Any = {**good, name: changed.encode("latin-1") if as_bytes else changed}
                delivery = verdict(BODY, sent)
                if delivery is not None:
                    assert (delivery.timestamp, delivery.body) == (NOW, BODY)
                    assert delivery.id == ("evt_1" if scheme == "standard" else None)
                    told.add((name, old, put))
    # What is left is how a signature is spelt, not what it says.
    allowed = {("X-Coffrify-Signature", c, c.upper()) for c in "abcdef"}
    allowed |= {("X-Coffrify-Signature", c, c + " ") for c in f"{signed()[NAMES[3]]}"}
    allowed |= {("webhook-signature", "=", "= "), ("webhook-signature", "=", "=,")}
    assert told <= allowed


@given(st.data())
@settings(max_examples=budget(70, 700), deadline=None, derandomize=True)
def test_random_edits_never_change_what_is_believed(data: st.DataObject) -> None:
    """Whatever is done to a valid delivery's parts, what is believed is what was signed."""
    headers = signed()
    parts = {**headers, "body": BODY.decode()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(list(parts)))
        if parts[name] is None:
            continue
        start = data.draw(st.integers(0, len(parts[name])))
        stop = data.draw(st.integers(start, min(len(parts[name]), start + 12)))
        other = data.draw(st.sampled_from(list(parts)))
        put = data.draw(st.one_of(st.just(""), ANY_TEXT, st.just(parts[other]), st.just(".")))
        parts[name] = parts[name][:start] + put + parts[name][stop:]
    body = parts.pop("body").encode(errors="surrogatepass")
    delivery = verdict(body, parts)
    if delivery is not None:
        assert (delivery.body, delivery.timestamp, delivery.id) in (
            (BODY, NOW, "evt_1"),
            (BODY, NOW, None),
        )


# --- the nasty list ---------------------------------------------------------------------------

HUGE = "v" * 10_000_000
NASTY_HEADERS: dict[str, Any] = {
    **{f"10 MB of {name}": {**signed(), name: HUGE} for name in NAMES},
    "10 MB of each": dict.fromkeys(NAMES, HUGE),
    "10 MB of digits": {**signed(), "webhook-timestamp": "1" * 10_000_000},
    "10 MB of t=": {"X-Coffrify-Signature": f"t={'1' * 10_000_000},v1={'0' * 64}"},
    "10 MB of commas": {"X-Coffrify-Signature": "," * 10_000_000, **signed(id="x")},
    "10 MB of bytes": [(b"webhook-id", b"\xff" * 10_000_000), (b"webhook-signature", b"")],
    "10 MB name": [("x" * 10_000_000, "y")],
    "10 MB test header": [*signed(b"x").items(), ("X-Coffrify-Test-Delivery", HUGE)],
    **{f"10^5 times {name}": [(name, signed()[name])] * 100_000 for name in NAMES},
    "10^5 empty": [("webhook-signature", "")] * 100_000,
    "10^5 others": [(f"x-{number}", "") for number in range(100_000)],
    "10^5 test headers": [("x-coffrify-test-delivery", "true")] * 100_000,
    "non-ascii signature": {"X-Coffrify-Signature": f"t={NOW},v1=" + "\u00e9" * 64},
    "non-ascii standard": {**signed(b"x"), "webhook-signature": "v1," + "\u00e9" * 44},
    "surrogates": dict.fromkeys(NAMES, "\ud800" * 47),
    "NUL": dict.fromkeys(NAMES, "\0" * 80),
    "newlines": dict.fromkeys(NAMES, "a\r\nX-Injected: 1"),
    "no headers": {},
    "None": None,
}


@pytest.mark.parametrize("name", NASTY_HEADERS)
def test_hostile_headers_are_refused_whatever_their_size(name: str, setup: Setup) -> None:
    """Hostile headers are refused, in a time that has nothing to do with their size."""
    body = BODY + b" "  # not what the good ones among them signed
    began = time.process_time()
    assert verdict(body, NASTY_HEADERS[name]) is None
    reply = setup(body, NASTY_HEADERS[name])
    assert (reply.outcome, reply.status, setup.handled) == ("rejected", 400, [])
    assert time.process_time() - began < 1


DEEP = 100_000
NASTY_BODIES: dict[str, tuple[bytes, str]] = {
    "nested lists": (b'{"type":"ping","data":' + b"[" * DEEP + b"]" * DEEP + b"}", "unreadable"),
    "nested objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "unreadable"),
    "nested, unclosed": (b"[" * DEEP, "unreadable"),
    "nested type": (b'{"type":' * DEEP, "unreadable"),
    "digits": (b'{"type":"ping","data":{"n":' + b"9" * DEEP + b"}}", "unreadable"),
    "digits for an int": (
        b'{"type":"transfer.created","data":{"id":"a","max_downloads":' + b"9" * DEEP + b"}}",
        "unreadable",
    ),
    "digits of a fraction": (b'{"type":"ping","data":{"n":0.' + b"9" * DEEP + b"}}", "handled"),
    "exponent": (b'{"type":"ping","data":{"n":1e' + b"9" * 20 + b"}}", "handled"),
    "digits for the id": (b'{"type":"ping","id":' + b"9" * 4000 + b"}", "handled"),
    "NaN": (b'{"type":"ping","data":{"n":NaN,"m":-Infinity}}', "handled"),
    "duplicate keys": (b'{"type":"x","type":"ping","id":"a","id":"b"}', "handled"),
    "duplicate keys, 10^4": (b'{"type":"ping"' + b',"id":"a"' * 10_000 + b"}", "handled"),
    "lone surrogates": (b'{"type":"ping","data":{"\\ud800":"\\udfff"},"id":"\\udc00"}', "handled"),
    "surrogate type": (b'{"type":"\\ud800"}', "handled"),
    "raw surrogates": (b'{"type":"ping","data":{"a":"\xed\xa0\x80"}}', "handled"),
    "NUL": (b'{"type":"pi\\u0000ng","id":"a\\u0000","data":"\\u0000"}', "handled"),
    "raw NUL": (b'{"type":"ping\0"}', "unreadable"),
    "only NUL": (b"\0" * 1000, "unreadable"),
    "invalid UTF-8": (b'{"type":"ping","data":{"a":"\xff"}}', "unreadable"),
    "a BOM": (b'\xef\xbb\xbf{"type":"ping","id":"a"}', "handled"),
    "UTF-16": ('{"type":"ping","id":"a"}'.encode("utf-16"), "handled"),
    "UTF-32": ('{"type":"ping","id":"a"}'.encode("utf-32-be"), "handled"),
    "nothing": (b"", "unreadable"),
    "blanks": (b" " * 1_000_000, "unreadable"),
    "a string": (b'"ping"', "unreadable"),
    "a list": (b'[{"type":"ping"}]', "unreadable"),
    "no type": (b'{"data":{"type":"ping"}}', "unreadable"),
    "type of null": (b'{"type":null}', "unreadable"),
    "type of a list": (b'{"type":["ping"]}', "unreadable"),
    "long type": (b'{"type":"' + b"x" * 1_000_000 + b'"}', "handled"),
    "many hints": (b'{"type":"ping",' + b'"type" : ' * 50_000 + b"}", "unreadable"),
    "names of ours": (
        b'{"type":"transfer.created","cls":1,"_fields_set":2,"self":3,"data":{"cls":1,"values":2}}',
        "handled",
    ),
}


@pytest.mark.parametrize("name", NASTY_BODIES)
def test_hostile_bodies_are_an_event_or_unreadable(name: str, setup: Setup) -> None:
    """Hostile bodies, even rightly signed ones, are an event or unreadable, soon."""
    body, outcome = NASTY_BODIES[name]
    began = time.process_time()
    assert verdict(body, {}) is None
    read(body)
    reply = setup(body, signed(body, id="evt_nasty"))
    assert reply.outcome == outcome
    assert len(setup.handled) == (outcome == "handled")
    assert len(reply.body) < 500
    assert time.process_time() - began < 2


def test_bodies_that_are_no_bytes(setup: Setup) -> None:
    """A body that something has decoded or parsed is refused by name, not by a TypeError."""
    for body in ("text", None, 5, {"type": "ping"}, [BODY]):
        assert verdict(body, signed()) is None
        assert setup(body, signed()).outcome == "misconfigured"  # type: ignore[arg-type]


# --- one valid delivery, twice ----------------------------------------------------------------


def replays() -> Iterator[tuple[str, bytes, Any]]:
    """What an attacker who recorded one delivery may send instead of it."""
    good = signed()
    mac64, header = good["webhook-signature"][3:], good["X-Coffrify-Signature"]
    yield "as it was", BODY, good
    for name in (
        "X-Coffrify-Test-Delivery",
        "X-Coffrify-Event",
        "User-Agent",
        "X-Coffrify-Timestamp",
    ):
        yield f"with {name}", BODY, {**good, name: "true"}
    for name in NAMES:
        yield f"without {name}", BODY, {k: v for k, v in good.items() if k != name}
        for value in (
            "",
            "x",
            "evt_2",
            "0",
            good[name] + "x",
            good[name].upper(),
            f" {good[name]}",
        ):
            yield f"{name}: {value[:20]}", BODY, {**good, name: value}
        yield f"{name} twice", BODY, [*good.items(), (name.upper(), good[name])]
        yield f"another {name} too", BODY, [*good.items(), (name, "evt_2")]
        yield f"another {name} first", BODY, [(name, "evt_2"), *good.items()]
    three = {name: good[name] for name in NAMES[:3]}
    yield "standard alone", BODY, three
    yield "coffrify alone", BODY, {"X-Coffrify-Signature": header}
    for spelt in (mac64.lower(), mac64.upper(), mac64.rstrip("="), mac64 + "=", f"{mac64} "):
        yield f"base64 {spelt[-6:]}", BODY, {**three, "webhook-signature": f"v1,{spelt}"}
    spelling = mac64.replace("+", "-").replace("/", "_")
    yield "base64url", BODY, {**three, "webhook-signature": f"v1,{spelling}"}
    yield "twice signed", BODY, {**three, "webhook-signature": f"v1,{mac64} v1,{mac64}"}
    yield (
        "capitals",
        BODY,
        {"X-Coffrify-Signature": header.upper().replace("T=", "t=").replace("V", "v")},
    )
    yield "hex capitals", BODY, {"X-Coffrify-Signature": header[:16] + header[16:].upper()}
    yield "parts turned round", BODY, {"X-Coffrify-Signature": ",".join(header.split(",")[::-1])}
    # The same bytes under the signature, cut at other dots.
    whole = f"evt_1.{NOW}.".encode() + BODY
    dots = [place for place, byte in enumerate(whole) if byte == ord(".")]
    for one in dots:
        for two in (dot for dot in dots if dot > one):
            moved = {
                "webhook-id": whole[:one].decode(),
                "webhook-timestamp": whole[one + 1 : two].decode(),
                "webhook-signature": good["webhook-signature"],
            }
            yield f"dots at {one} and {two}", whole[two + 1 :], moved
            yield (
                f"dots at {one} and {two}, stamped",
                whole[two + 1 :],
                {
                    **moved,
                    "webhook-timestamp": str(NOW),
                },
            )
        as_hex = base64.b64decode(mac64).hex()
        stamp = whole[:one].decode()
        yield (
            f"standard as coffrify, {one}",
            whole[one + 1 :],
            {"X-Coffrify-Signature": f"t={stamp},v1={as_hex}"},
        )
    short = f"{NOW}.".encode() + BODY
    as_base64 = "v1," + base64.b64encode(bytes.fromhex(header[16:])).decode()
    for one in [place for place, byte in enumerate(short) if byte == ord(".")]:
        for two in [p for p, byte in enumerate(short) if byte == ord(".") and p >= one]:
            yield (
                f"coffrify as standard, {one} {two}",
                short[two + 1 :],
                {
                    "webhook-id": short[:one].decode(),
                    "webhook-timestamp": short[one + 1 : two].decode() or str(NOW),
                    "webhook-signature": as_base64,
                },
            )
    yield "coffrify's as standard", BODY, {**three, "webhook-signature": as_base64}
    yield (
        "no id",
        short,
        {"webhook-id": "", "webhook-timestamp": str(NOW), "webhook-signature": as_base64},
    )


REPLAYS = list(replays())


@pytest.mark.parametrize("first", [0, None], ids=["genuine first", "genuine last"])
@pytest.mark.parametrize("schemes", [("standard", "coffrify"), ("standard",), ("coffrify",)])
def test_one_delivery_is_handled_once(first: int | None, schemes: Any) -> None:
    """No retelling of a recorded delivery is handled again, whichever comes first."""
    setup = Setup(schemes=schemes)
    for what, body, headers in REPLAYS[first:] if first == 0 else REPLAYS[::-1]:
        reply = setup(body, headers)
        assert len(setup.handled) <= 1, what
        assert reply.outcome in ("handled", "duplicate", "rejected"), what
    assert len(setup.handled) == 1
    assert setup.handled[0].raw == BODY


@pytest.mark.parametrize("body_id", [str(NOW), "0", "1" * 10, f"{NOW + 5}"])
def test_ids_of_digits_do_not_pass_for_timestamps(body_id: str) -> None:
    """A standard signature over id.timestamp.body is no signature over id-as-time.rest."""
    body = json.dumps({"id": body_id, "type": "ping", "data": {"n": 1.5}}).encode()
    setup = Setup()
    good = signed(body)
    assert setup(body, good).outcome == "handled"
    as_hex = base64.b64decode(good["webhook-signature"][3:]).hex()
    rest = f"{NOW}.".encode() + body
    headers = {"X-Coffrify-Signature": f"t={body_id},v1={as_hex}"}
    assert verdict(rest, headers) is None
    assert setup(rest, headers).outcome == "rejected"
    for drop in (NAMES[:3], NAMES[3:]):
        kept = {name: value for name, value in good.items() if name not in drop}
        assert setup(body, kept).outcome == "duplicate"
    assert len(setup.handled) == 1


def test_a_later_signature_of_the_same_event_is_a_duplicate(setup: Setup) -> None:
    """A retry and a replay of the sender's own are signed anew, and are not handled again."""
    assert setup(BODY, signed()).outcome == "handled"
    for stamp in (NOW - 299, NOW + 300):
        assert setup(BODY, sign(BODY, SECRET, timestamp=stamp)).outcome == "duplicate"
    assert len(setup.handled) == 1


# --- what is shown ----------------------------------------------------------------------------


def everything(record: logging.LogRecord) -> str:
    """All that a handler could write of a record, extra attributes and traceback included."""
    trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
    return repr(vars(record)) + record.getMessage() + trace


def deliveries() -> Iterator[tuple[bytes, Any]]:
    """One of each outcome that a stranger or the sender can bring about."""
    yield BODY, signed()
    yield BODY, signed()
    yield BODY.replace(b"tr_1", b"tr_2"), signed(BODY.replace(b"tr_1", b"tr_2"))
    yield BODY + b" ", signed()
    yield BODY, {}
    yield BODY, sign(BODY, SECRET, timestamp=NOW - 1000)
    yield BODY, {**signed(), **dict.fromkeys(NAMES, MARKER)}
    yield BODY, dict.fromkeys(NAMES, MARKER.encode())
    yield BODY[:-5], signed(BODY[:-5])
    odd = f'{{"type":"transfer.created","data":{{"id":5,"size":"{MARKER}","files":"{MARKER}"}}}}'
    yield odd.encode(), signed(odd.encode(), id="odd")
    yield odd.encode(), {"X-Coffrify-Signature": signed(odd.encode())["X-Coffrify-Signature"]}
    listed = f'["{MARKER}"]'.encode()
    yield listed, signed(listed)
    unknown = f'{{"type":"new.type","id":"n","{MARKER}":"{MARKER}"}}'.encode()
    yield unknown, signed(unknown)
    yield b"x" * 2_000_000, signed()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", ["handles", "raises", "nothing"])
def test_neither_secret_nor_payload_is_shown(
    kind: str, caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    """No reply, log record at DEBUG, notice's text or repr holds the secret or the payload."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="coffrify_webhooks")
    router = Router()

    def handle(event: Event) -> None:
        if kind == "raises":
            raise RuntimeError("the handler's own words")

    router.on("transfer.*" if kind == "nothing" else "*")(handle)
    if kind == "nothing":
        router = Router()
        router.on("ping")(handle)
    texts: list[str] = []
    receiver = Receiver(
        SECRET,
        store="memory:",
        router=router,
        clock=lambda: NOW,
        strict=strict,
        observers=[lambda notice: texts.append(notice.text + repr(notice))],
    )
    outcomes = set()
    for body, headers in deliveries():
        reply = receiver.receive(body, headers)
        outcomes.add(reply.outcome)
        texts += [reply.body.decode(), repr(reply.headers), repr(reply), repr(reply.event)]
        texts += [str(reply.error), repr(reply.error), repr(receiver), repr(receiver.verifier)]
        if reply.event is not None:
            texts += [repr(reply.event.data)] if kind == "handles" and not strict else []
            texts += [str(reply.event.issues)]
    assert {"rejected", "unreadable"} < outcomes
    assert caplog.records
    texts += [everything(record) for record in caplog.records]
    for text in texts:
        for hidden in (SECRET, KEY.hex(), repr(KEY)[2:-1], "whsec_"):
            assert hidden not in text
        if "new.type" not in text:  # UnknownEvent's data is plain JSON, and is not shown either
            assert MARKER not in text


def test_a_handlers_own_error_stays_out_of_the_reply() -> None:
    """What a handler raises is in the log alone: the reply says that it failed, not how."""
    router = Router()

    @router.on("*")
    def handle(event: Event) -> None:
        raise RuntimeError(MARKER)

    receiver = Receiver(SECRET, store="memory:", router=router, clock=lambda: NOW)
    reply = receiver.receive(BODY, signed())
    assert (reply.outcome, reply.status) == ("failed", 500)
    assert MARKER not in reply.body.decode() + repr(reply) + str(reply.error)
    assert b"Traceback" not in reply.body


ODD_CALLS: list[Callable[[Setup], Reply]] = [
    lambda setup: setup.receiver.receive(BODY, signed(), method="GET"),
    lambda setup: setup.receiver.receive(BODY, signed(), method=""),
    lambda setup: setup.receiver.receive(b"", None),  # type: ignore[arg-type]
    lambda setup: setup.receiver.receive(BODY, iter([])),
]


@pytest.mark.parametrize("call", ODD_CALLS, ids=["GET", "no method", "None", "no headers"])
def test_odd_calls_reply(call: Callable[[Setup], Reply], setup: Setup) -> None:
    """Other methods and no headers are a Reply too."""
    assert call(setup).outcome == "rejected"
    assert setup.handled == []
