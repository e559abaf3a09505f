"""What may be believed: secrets, rotation, both schemes, strict parsing, the window."""

import base64
import copy
import functools
import hashlib
import hmac
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffrify_webhooks.delivery import Delivery
from coffrify_webhooks.errors import (
    ConfigurationError,
    MalformedSignature,
    MissingSignature,
    SecretsUnavailable,
    SignatureMismatch,
    TimestampTooNew,
    TimestampTooOld,
    VerificationError,
)
from coffrify_webhooks.signature import Secret, Verifier, sign, verify
from coffrify_webhooks.signature import verifier as signature
from coffrify_webhooks.signature.keyring import Keyring

NOW = 1_763_900_000
BODY = b'{"id":"evt_1","type":"ping","data":{}}'
KEY = bytes(range(201, 233))
HEX = "whsec_" + KEY.hex()
BASE64 = "whsec_" + base64.b64encode(KEY).decode()
TEXT = "a-plain-secret,long-enough"


def now() -> float:
    return NOW


def standard(
    key: bytes, body: bytes = BODY, id_: str = "evt_1", stamp: object = NOW
) -> dict[str, str]:
    """The three Standard Webhooks headers, made by the textbook."""
    mac = hmac.new(key, f"{id_}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(stamp),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


def legacy_mac(key: bytes, body: bytes = BODY, stamp: object = NOW) -> str:
    return hmac.new(key, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def legacy(key: bytes, body: bytes = BODY, stamp: object = NOW) -> dict[str, str]:
    """The vendor's own header, made by the textbook."""
    return {"X-Coffrify-Signature": f"t={stamp},v1={legacy_mac(key, body, stamp)}"}


Make = Callable[[bytes], dict[str, str]]
BOTH = pytest.mark.parametrize("make", [standard, legacy])


def accepts(headers: Any, secrets: Any, body: bytes = BODY, **options: Any) -> Delivery:
    return Verifier(secrets, clock=now, **options).verify(body, headers)


def refuses(
    error: type[VerificationError], headers: Any, secrets: Any = HEX, **options: Any
) -> VerificationError:
    with pytest.raises(error) as raised:
        accepts(headers, secrets, **options)
    assert type(raised.value) is error
    return raised.value


def numbered(texts: Iterable[str]) -> list[Any]:
    """Parameters with ids that are short and differ."""
    return [pytest.param(text, id=f"{n} {ascii(text)[:30]}") for n, text in enumerate(texts)]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The prefixes that reached the hash."""
    seen: list[bytes] = []
    find = Keyring.find

    def counting(self: Keyring, prefix: bytes, *rest: Any, **options: Any) -> Any:
        seen.append(prefix)
        return find(self, prefix, *rest, **options)

    monkeypatch.setattr(Keyring, "find", counting)
    return seen


# --- secrets and keys -------------------------------------------------------------------------

ODD_KEY = b"\xfb\xef\xbe\xff\xff" * 5  # its base64 has + and /, and padding
CANDIDATES = [
    (TEXT, TEXT.encode(), "text"),
    ("gehe\u00edm-\u2603-snowman", "gehe\u00edm-\u2603-snowman".encode(), "text"),
    (HEX, HEX.encode(), "text"),
    (HEX, KEY, "hex"),
    (HEX + "\n", KEY, "hex"),
    (TEXT + "\n", TEXT.encode(), "text"),
    (TEXT + "\n", f"{TEXT}\n".encode(), "text"),
    ("whsec_" + KEY.hex().upper(), KEY, "hex"),
    (HEX, base64.b64decode(KEY.hex()), "base64"),
    (BASE64, BASE64.encode(), "text"),
    (BASE64, KEY, "base64"),
    (BASE64.rstrip("="), KEY, "base64"),
    ("whsec_" + base64.b64encode(ODD_KEY).decode(), ODD_KEY, "base64"),
    ("whsec_" + base64.urlsafe_b64encode(ODD_KEY).decode(), ODD_KEY, "base64"),
    ("whsec_" + base64.urlsafe_b64encode(ODD_KEY).decode().rstrip("="), ODD_KEY, "base64"),
    ("whsec_" + base64.b64encode(KEY[:16]).decode(), KEY[:16], "base64"),
    ("whsec_" + KEY[:16].hex(), KEY[:16], "hex"),
    ("key" * 100, b"key" * 100, "text"),
]


@BOTH
@pytest.mark.parametrize(("secret", "key", "encoding"), CANDIDATES)
def test_every_candidate_key(make: Make, secret: str, key: bytes, encoding: str) -> None:
    """A secret stands for its text and for each way in which its rest decodes."""
    delivery = accepts(make(key), secret)
    assert (delivery.key, delivery.encoding, delivery.body) == (0, encoding, BODY)


NOT_CANDIDATES = [
    pytest.param("whsec_" + KEY[:15].hex(), KEY[:15], id="hex of 15 bytes"),
    pytest.param("whsec_" + base64.b64encode(KEY[:15]).decode(), KEY[:15], id="15 bytes"),
    pytest.param(KEY.hex(), KEY, id="hex without the prefix"),
    pytest.param(base64.b64encode(KEY).decode(), KEY, id="base64 without the prefix"),
    pytest.param(HEX, KEY.hex().encode(), id="text without the prefix"),
    pytest.param(HEX, b"", id="empty key"),
]


@BOTH
@pytest.mark.parametrize(("secret", "key"), NOT_CANDIDATES)
def test_no_other_key(make: Make, secret: str, key: bytes) -> None:
    """Nothing shorter than 16 bytes is decoded, nor what does not begin with whsec_."""
    refuses(SignatureMismatch, make(key), secret)


@BOTH
@pytest.mark.parametrize("pin", ["text", "hex", "base64"])
def test_an_encoding_pins_one_key(make: Make, pin: Literal["text", "hex", "base64"]) -> None:
    """With encoding= given, the other readings of the same secret no longer match."""
    readings = {"text": HEX.encode(), "hex": KEY, "base64": base64.b64decode(KEY.hex())}
    secret = Secret(HEX, encoding=pin)
    assert accepts(make(readings.pop(pin)), secret).encoding == pin
    for other in readings.values():
        refuses(SignatureMismatch, make(other), secret)


@pytest.mark.parametrize(
    ("text", "encoding", "key"),
    [
        (KEY[:4].hex(), "hex", KEY[:4]),
        ("whsec_" + KEY[:4].hex(), "hex", KEY[:4]),
        (base64.b64encode(KEY).decode(), "base64", KEY),
        (base64.urlsafe_b64encode(ODD_KEY).decode().rstrip("="), "base64", ODD_KEY),
        ("whsec_x", "text", b"whsec_x"),
    ],
)
def test_a_pin_needs_neither_prefix_nor_length(text: str, encoding: Any, key: bytes) -> None:
    """Whoever pins an encoding is taken at their word."""
    assert accepts(legacy(key), Secret(text, encoding=encoding)).encoding == encoding


@given(st.binary(max_size=200), st.binary(max_size=300))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_precomputed_pads_are_hmac(key: bytes, body: bytes) -> None:
    """For keys of any length the two pad states give what hmac gives."""
    if not key.strip(b"\0"):
        return
    secret = Secret(key.hex(), encoding="hex")
    assert accepts(standard(key, body), secret, body).body == body
    if not body[:9].isdigit():
        assert accepts(legacy(key, body), secret, body).body == body


@pytest.mark.parametrize("aware", [False, True])
def test_not_after_ends_a_secret(*, aware: bool) -> None:
    """A secret counts until not_after, exclusive, given as seconds or as an aware datetime."""
    end: Any = datetime.fromtimestamp(NOW, UTC) if aware else NOW
    old = Secret("the-old-secret", not_after=end)
    headers = legacy(b"the-old-secret")
    clock = [NOW - 0.5]
    verifier = Verifier([TEXT, old], clock=lambda: clock[0])
    assert verifier.verify(BODY, headers).key == 1
    clock[0] = NOW
    with pytest.raises(SignatureMismatch):
        verifier.verify(BODY, headers)
    assert verifier.verify(BODY, legacy(TEXT.encode())).key == 0


@BOTH
def test_any_of_several_secrets(make: Make) -> None:
    """During a rotation each secret verifies, and `key` is its place in the list."""
    secrets = [TEXT, Secret(HEX, encoding="hex"), "third-secret"]
    keys = [TEXT.encode(), KEY, b"third-secret"]
    assert [accepts(make(key), secrets).key for key in keys] == [0, 1, 2]
    refuses(SignatureMismatch, make(b"a fourth"), secrets)


def test_any_of_several_signatures() -> None:
    """One valid signature among others is enough, wherever it stands, in both schemes."""
    good = standard(KEY)["webhook-signature"]
    bad = standard(b"x")["webhook-signature"]
    for several in ([good, bad], [bad, good], [bad, bad, good, bad], ["v1a,abcd", good]):
        accepts({**standard(KEY), "webhook-signature": " ".join(several)}, HEX)
    right, wrong = legacy_mac(KEY), legacy_mac(b"x")
    for parts in (
        [f"v1={wrong}", f"v1={right}"],
        [f"v1={right}", f"v1={wrong}"],
        [f"v0={wrong}", f"v1={right}"],
        ["v1=", f"v1={right}", "later=1"],
    ):
        for place in range(len(parts) + 1):
            header = ",".join([*parts[:place], f"t={NOW}", *parts[place:]])
            accepts({"X-Coffrify-Signature": header}, HEX)


def test_two_old_signatures_do_not_mix() -> None:
    """A signature counts only in the version it names."""
    right = legacy_mac(KEY)
    refuses(MalformedSignature, {"X-Coffrify-Signature": f"t={NOW},v0={right}"})
    signed = standard(KEY)
    for version in ("v1a", "v2", "V1", ""):
        other = signed["webhook-signature"].replace("v1", version)
        refuses(MalformedSignature, {**signed, "webhook-signature": other})


def test_the_key_that_matched_last_is_tried_first() -> None:
    """The order adapts to the traffic, so that rotation costs one hash more, once."""
    verifier = Verifier(["one", "two", "three"], clock=now)
    ring = verifier.keyring()

    def order() -> list[int]:
        return [key.index for key in ring.order]

    assert order() == [0, 1, 2]
    assert verifier.verify(BODY, legacy(b"three")).key == 2
    assert order() == [2, 0, 1]
    assert verifier.verify(BODY, standard(b"two")).key == 1
    assert order() == [1, 2, 0]
    before = ring.order
    verifier.verify(BODY, legacy(b"two"))
    with pytest.raises(SignatureMismatch):
        verifier.verify(BODY, legacy(b"four"))
    assert ring.order is before


def test_secrets_from_a_callable() -> None:
    """A callable is asked for each delivery, so that a rotation needs no restart."""
    current: list[Any] = [TEXT]
    verifier = Verifier(lambda: current[0], clock=now)
    assert verifier.asks_for_secrets
    assert verifier.verify(BODY, legacy(TEXT.encode())).key == 0
    first = verifier.keyring()
    assert verifier.keyring() is first
    for several in ([HEX, TEXT], (HEX, TEXT), deque([HEX, TEXT]), [Secret(HEX), Secret(TEXT)]):
        current[0] = several
        assert verifier.verify(BODY, legacy(TEXT.encode())).key == 1
    current[0] = "another"
    with pytest.raises(SignatureMismatch):
        verifier.verify(BODY, legacy(TEXT.encode()))


def test_many_tenants_do_not_pile_up() -> None:
    """The keys of a callable's answers are cached, and the cache is bounded."""
    tenant = [0]
    verifier = Verifier(lambda: f"secret-of-tenant-{tenant[0]}", clock=now)
    for number in range(300):
        tenant[0] = number
        verifier.verify(BODY, legacy(f"secret-of-tenant-{number}".encode()))
    assert len(verifier._rings) <= 64


@pytest.mark.parametrize("answer", ["", [], None, 5, [""], [None], [["a"]], b"bytes", ValueError])
def test_a_callable_that_has_no_secret(answer: Any) -> None:
    """A callable that answers badly is SecretsUnavailable, so that the sender tries again."""

    def source() -> Any:
        if answer is ValueError:
            raise ValueError("whsec_hidden")
        return answer

    with pytest.raises(SecretsUnavailable) as raised:
        verify(BODY, legacy(KEY), source, clock=now)
    assert "hidden" not in str(raised.value)
    assert raised.value.status == 503


# --- configuration ----------------------------------------------------------------------------


MISTAKES: list[Any] = [
    pytest.param(lambda: Secret(""), "empty", id="empty"),
    pytest.param(lambda: Secret(" \t\n"), "empty", id="blank"),
    pytest.param(lambda: Secret("whsec_"), "only the prefix", id="prefix alone"),
    pytest.param(lambda: Secret(" whsec_\n"), "only the prefix", id="prefix and blanks"),
    pytest.param(lambda: Secret(b"bytes"), "not bytes", id="bytes"),  # type: ignore[arg-type]
    pytest.param(lambda: Secret(None), "not NoneType", id="None"),  # type: ignore[arg-type]
    pytest.param(lambda: Secret("\ud800abc"), "surrogates", id="surrogates"),
    pytest.param(lambda: Secret("x", encoding="rot13"), "rot13", id="encoding"),  # type: ignore[arg-type]
    pytest.param(lambda: Secret("x", encoding=None), "None", id="encoding None"),  # type: ignore[arg-type]
    pytest.param(lambda: Secret("whsec_xyz", encoding="hex"), "decode as hex", id="not hex"),
    pytest.param(lambda: Secret("whsec_abc", encoding="hex"), "decode as hex", id="odd hex"),
    pytest.param(lambda: Secret("whsec_!", encoding="base64"), "as base64", id="not base64"),
    pytest.param(lambda: Secret("whsec_=", encoding="base64"), "as base64", id="no base64"),
    pytest.param(lambda: Secret(TEXT, not_after="soon"), "not_after", id="not_after text"),
    pytest.param(lambda: Secret(TEXT, not_after=True), "not_after", id="not_after bool"),
    pytest.param(lambda: Secret(TEXT, not_after=float("nan")), "not_after", id="not_after NaN"),
    pytest.param(
        lambda: Secret(TEXT, not_after=datetime(2030, 1, 1)),  # noqa: DTZ001 - what is refused
        "time zone",
        id="naive datetime",
    ),
    pytest.param(lambda: Verifier([]), "empty", id="no secrets"),
    pytest.param(lambda: Verifier(()), "empty", id="no secrets, tuple"),
    pytest.param(lambda: Verifier(""), "empty", id="empty secret"),
    pytest.param(lambda: Verifier([TEXT, ""]), "empty", id="one empty secret"),
    pytest.param(lambda: Verifier(None), "not NoneType", id="None as secrets"),  # type: ignore[arg-type]
    pytest.param(lambda: Verifier(5), "not int", id="a number as secrets"),  # type: ignore[arg-type]
    pytest.param(lambda: Verifier(b"abc"), "secrets must be a str", id="bytes as secrets"),  # type: ignore[arg-type]
    pytest.param(lambda: Verifier([None]), "not NoneType", id="None as one secret"),  # type: ignore[list-item]
    *[
        pytest.param(lambda t=t: Verifier(TEXT, tolerance=t), "tolerance=", id=f"tolerance {t!r}")
        for t in (0, 0.0, -1, float("nan"), float("inf"), True, "300", None)
    ],
    *[
        pytest.param(lambda s=s: Verifier(TEXT, schemes=s), "choose", id=f"schemes {s!r}")
        for s in ((), [], "stripe", ("standard", "other"), 5, None, [["standard"]])
    ],
]


@pytest.mark.parametrize(("make", "said"), MISTAKES)
def test_mistakes_are_found_at_construction(make: Callable[[], object], said: str) -> None:
    """A setting that cannot be used is a ConfigurationError that names it."""
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_the_window_cannot_be_switched_off() -> None:
    """tolerance=0 is refused by the function too, whatever the delivery."""
    with pytest.raises(ConfigurationError, match="cannot be switched off"):
        verify(BODY, legacy(KEY), HEX, tolerance=0, clock=now)


@pytest.mark.parametrize("secret", [TEXT, HEX, BASE64])
def test_no_secret_is_shown(secret: str) -> None:
    """Neither a repr nor an error holds the secret, in any of its forms."""
    kept = Secret(secret, not_after=NOW + 1)
    verifier = Verifier([kept], clock=now)
    shown = [repr(kept), str(kept), f"{kept}", repr(verifier), repr(verifier.keyring())]
    shown += [repr(key) for key in verifier.keyring().order]
    signed = sign(BODY, kept, id="evt_1", timestamp=NOW)
    delivery = verifier.verify(BODY, signed)
    shown += [repr(delivery), str(delivery)]
    for headers in ({}, {**signed, "webhook-id": "x"}, legacy(KEY, stamp=1), legacy(b"other")):
        with pytest.raises(VerificationError) as raised:
            Verifier([kept], clock=now, schemes=("coffrify",)).verify(BODY + b" ", headers)
        shown += [str(raised.value), repr(raised.value)]
    for text in shown:
        for hidden in (secret, secret.removeprefix("whsec_"), KEY.hex(), repr(KEY)[2:-1]):
            assert hidden not in text


def test_errors_of_a_bad_secret_do_not_show_it() -> None:
    """Even the ConfigurationError about a secret does not repeat it."""
    for options in ({"encoding": "hex"}, {"encoding": "base64"}, {"not_after": "x"}):
        with pytest.raises(ConfigurationError) as raised:
            Secret("whsec_my!hidden!text", **options)  # type: ignore[arg-type]
        assert "hidden" not in str(raised.value)
        assert raised.value.__cause__ is None


def test_a_secret_is_not_pickled_or_copied() -> None:
    """A secret does not travel by accident, into a queue for example."""
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            attempt(Secret(TEXT))


def test_secrets_compare_by_value() -> None:
    """Equal secrets are equal and hash alike; another encoding or end makes another secret."""
    assert Secret(HEX) == Secret(HEX)
    assert hash(Secret(HEX)) == hash(Secret(HEX))
    assert Secret(HEX) != Secret(HEX, encoding="hex")
    assert Secret(HEX) != Secret(HEX, not_after=1)
    assert Secret(TEXT) != TEXT


# --- headers: their containers ----------------------------------------------------------------


class Multi:
    """Like a framework's multi-dict: `items` yields a name as often as it came."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = list(pairs)

    def items(self) -> Iterable[tuple[str, str]]:
        return iter(self.pairs)


SHAPES: list[tuple[str, Callable[[dict[str, str]], Any]]] = [
    ("dict", dict),
    ("mapping", MappingProxyType),
    ("lower", lambda h: {name.lower(): value for name, value in h.items()}),
    ("upper", lambda h: {name.upper(): value for name, value in h.items()}),
    ("title", lambda h: {name.title(): value for name, value in h.items()}),
    ("pairs", lambda h: list(h.items())),
    ("lists", lambda h: [list(pair) for pair in h.items()]),
    ("generator", lambda h: (pair for pair in h.items())),
    ("bytes pairs", lambda h: [(n.lower().encode(), v.encode()) for n, v in h.items()]),
    ("bytes mapping", lambda h: {n.encode(): v.encode() for n, v in h.items()}),
    ("mixed pairs", lambda h: [(n.encode(), v) for n, v in h.items()]),
    ("multi", lambda h: Multi(h.items())),
    ("among others", lambda h: {"Host": "x", "X-List": ["a"], "X-None": None, **h, "": "y"}),
    ("None for ours", lambda h: [("Webhook-Id", None), *h.items()]),
]


@BOTH
@pytest.mark.parametrize("shape", [s for _, s in SHAPES], ids=[n for n, _ in SHAPES])
def test_headers_in_any_container(make: Make, shape: Callable[[dict[str, str]], Any]) -> None:
    """Mappings and pairs, str and bytes, names in any case, all give the same delivery."""
    delivery = accepts(shape(make(KEY)), HEX)
    assert delivery.timestamp == NOW
    assert delivery.id == ("evt_1" if make is standard else None)
    assert delivery.scheme == ("standard" if make is standard else "coffrify")


@pytest.mark.parametrize(
    "headers",
    [None, 5, "webhook-id", b"webhook-id", ["webhook-id"], [("a",)], [(1, 2)], {1: 2}],
    ids=repr,
)
def test_headers_that_are_none(headers: Any) -> None:
    """What is no headers at all is a VerificationError, not a TypeError."""
    refuses(MalformedSignature, headers)


@pytest.mark.parametrize("value", [5, 1.5, ["v1"], ("t",), object(), {}, bytearray(b"t=1")])
def test_header_values_that_are_no_text(value: Any) -> None:
    """A value of ours that is neither str nor bytes is malformed."""
    for name in ("webhook-id", "X-Coffrify-Signature", "X-Coffrify-Test-Delivery"):
        refuses(MalformedSignature, {**legacy(KEY), **standard(KEY), name: value})
        refuses(MalformedSignature, [*legacy(KEY).items(), (name, "a"), (name, value)])


def test_a_header_sent_twice_is_one_verdict_everywhere() -> None:
    """Two lines of one name and the comma-joined line that WSGI makes of them are the same."""
    good, bad = standard(KEY), standard(b"x")
    for first, second in ((good, bad), (bad, good), (good, good)):
        values = [first["webhook-signature"], second["webhook-signature"]]
        two = [("webhook-id", "evt_1"), ("webhook-timestamp", str(NOW))]
        pairs = [*two, *(("Webhook-Signature", value) for value in values)]
        assert accepts(pairs, HEX).id == "evt_1"
        for comma in (",", ", "):
            assert accepts({**good, "webhook-signature": comma.join(values)}, HEX).id == "evt_1"
    for name in ("webhook-id", "webhook-timestamp"):
        refuses(MalformedSignature, [*good.items(), (name.upper(), good[name])])
        refuses(MalformedSignature, {**good, name.upper(): good[name]})
    for other in (legacy(KEY), legacy(b"x"), legacy(KEY, stamp=NOW + 1)):
        pairs = [*legacy(KEY).items(), *other.items()]
        refuses(MalformedSignature, pairs)  # it names t twice
        refuses(MalformedSignature, pairs[::-1])
    one = legacy(KEY)["X-Coffrify-Signature"]
    more = ("X-Coffrify-Signature", f"v1={legacy_mac(b'x')}")
    accepts([("x-coffrify-signature", one), more], HEX)
    accepts([more, ("x-coffrify-signature", one)], HEX)


def test_each_standard_header_is_needed() -> None:
    """Each of the three standard headers is needed, and their lack says so."""
    refuses(MissingSignature, {})
    refuses(MissingSignature, [])
    for name in standard(KEY):
        rest = standard(KEY)
        del rest[name]
        refuses(MissingSignature, rest)
        error = refuses(MissingSignature, rest, schemes=("standard",))
        assert name in str(error)
        assert accepts({**rest, **legacy(KEY)}, HEX).scheme == "coffrify"


# --- schemes ----------------------------------------------------------------------------------


def test_the_standard_scheme_is_preferred() -> None:
    """With both valid the standard one holds, since it signs the id; either alone is enough."""
    both = {**standard(KEY), **legacy(KEY)}
    assert accepts(both, HEX).scheme == "standard"
    assert accepts(both, HEX, schemes=("coffrify", "standard")).scheme == "standard"
    assert accepts({**both, **standard(b"x")}, HEX).scheme == "coffrify"
    assert accepts({**both, **standard(KEY, stamp=1)}, HEX).scheme == "coffrify"
    assert accepts({**both, "webhook-id": "a.b"}, HEX).scheme == "coffrify"
    assert accepts({**both, **legacy(b"x")}, HEX).scheme == "standard"
    assert accepts({**standard(b"x"), **legacy(KEY)}, HEX).id is None


def test_schemes_narrow_what_counts() -> None:
    """A scheme that is not chosen does not count, however valid."""
    assert accepts(standard(KEY), HEX, schemes="standard").scheme == "standard"
    assert accepts(legacy(KEY), HEX, schemes=["coffrify"]).scheme == "coffrify"
    refuses(MissingSignature, legacy(KEY), schemes=("standard",))
    refuses(MissingSignature, standard(KEY), schemes=("coffrify",))
    refuses(SignatureMismatch, {**standard(b"x"), **legacy(KEY)}, schemes=("standard",))
    refuses(SignatureMismatch, {**standard(KEY), **legacy(b"x")}, schemes=("coffrify",))


def test_the_error_is_of_the_scheme_that_was_there() -> None:
    """A scheme whose headers are absent does not hide why the other was refused."""
    refuses(SignatureMismatch, legacy(b"x"))
    refuses(SignatureMismatch, standard(b"x"))
    refuses(TimestampTooOld, legacy(KEY, stamp=1))
    refuses(TimestampTooOld, standard(KEY, stamp=1))
    refuses(TimestampTooOld, {**standard(KEY, stamp=1), **legacy(b"x")})


# --- strict parsing ---------------------------------------------------------------------------

BAD_STAMPS = [
    *("", "0x1", f"+{NOW}", f"-{NOW}", f" {NOW}", f"{NOW} ", f"\t{NOW}", f"{NOW}\n"),
    *(f"{NOW}.0", f"{NOW}.", "1_763_900_000", "1.7639e9", "nan", "inf", "now", f"{NOW}L"),
    *(str(NOW).translate({48 + d: base + d for d in range(10)}) for base in (0x660, 0xFF10)),
    *(f"{NOW}\u00b2", "\u00b9" * 10, f"{NOW}\x00", f"\x00{NOW}", "1" * 16, "9" * 100_000, "\ud800"),
]


@pytest.mark.parametrize("stamp", numbered(BAD_STAMPS))
def test_a_timestamp_is_ascii_digits(stamp: str, hashed: list[bytes]) -> None:
    """Signs, blanks, underscores, other scripts' digits and fractions are malformed, unhashed."""
    refuses(MalformedSignature, {**standard(KEY), "webhook-timestamp": stamp})
    header = f"t={stamp},v1={legacy_mac(KEY)}"
    refuses(MalformedSignature, {"X-Coffrify-Signature": header})
    assert hashed == []


def test_a_blank_of_the_vendor_header_follows_a_comma() -> None:
    """One blank may follow a comma, as where lines are joined; anywhere else it is malformed."""
    mac = legacy_mac(KEY)
    header = f"t={NOW},v0=1,v1={mac}"
    for place in range(len(header) + 1):
        for blank in (" ", "\t", "\u00a0", "  "):
            spaced = {"X-Coffrify-Signature": header[:place] + blank + header[place:]}
            if header[:place].endswith(",") and blank == " ":
                accepts(spaced, HEX)
            else:
                refuses(MalformedSignature, spaced)


def test_the_timestamp_is_hashed_as_it_was_written() -> None:
    """A leading zero is not normalised away: the signature covers the text."""
    zero = f"0{NOW}"
    refuses(SignatureMismatch, {**standard(KEY), "webhook-timestamp": zero})
    refuses(SignatureMismatch, {"X-Coffrify-Signature": f"t={zero},v1={legacy_mac(KEY)}"})
    assert accepts(standard(KEY, stamp=zero), HEX).timestamp == NOW


MAC = legacy_mac(KEY)
BAD_LEGACY = [
    *("", ",", "=", "t", "t=", "v1=", "v1", f"t={NOW}", f"v1={MAC}", f"t={NOW},v1="),
    *(f"t={NOW},t={NOW},v1={MAC}", f"t={NOW},v1={MAC},t={NOW}", f"t={NOW},v1={MAC},t="),
    *(f"t=,t={NOW},v1={MAC}", f"t={NOW},v1={MAC},", f",t={NOW},v1={MAC}", f"t={NOW},,v1={MAC}"),
    *(f"T={NOW},v1={MAC}", f"t={NOW},V1={MAC}", f"t={NOW};v1={MAC}", f"t={NOW} v1={MAC}"),
    *(f"t={NOW},v1={MAC}0", f"t={NOW},v1={MAC[:-1]}", f"t={NOW},v1={MAC},more"),
    *(f"t={NOW},v1={MAC}\u00e9", f"\ufeff{NOW},v1={MAC}", f"t={NOW},v1={MAC}\x00"),
    *(f"t={NOW},v1=0x{MAC}", f"t={NOW},v1= {MAC}", f"t={NOW},v1={MAC[:-1]}\u0430", "\udcff"),
    f"t={NOW},v1={MAC}," + ",".join(["v1=0"] * 3000),
]


@pytest.mark.parametrize("header", numbered(BAD_LEGACY))
def test_a_malformed_vendor_header(header: str, hashed: list[bytes]) -> None:
    """What is not t=<seconds>,v1=<hex> is malformed, and nothing is hashed for it."""
    refuses(MalformedSignature, {"X-Coffrify-Signature": header})
    assert hashed == []


SIGNED = standard(KEY)["webhook-signature"]
BAD_STANDARD = [
    *("", " ", ",", "v1", "v1,", ",v1", SIGNED[3:], SIGNED[:-1], SIGNED + "=", SIGNED + "A"),
    *(SIGNED.replace(",", "="), SIGNED.replace(",", ";"), f"v1,{SIGNED}", f"{SIGNED} v1"),
    *(f"{SIGNED} trailing", f"{SIGNED}\n", f"\t{SIGNED}", SIGNED + "\u00e9", "\u00e9" * 47),
    *(SIGNED.rstrip("="), f"v1,{MAC}", "v1,\ud800", f"v1,\x00{SIGNED[3:]}", "a" * 9000),
    " ".join([SIGNED] * 200),
]


@pytest.mark.parametrize("header", numbered(BAD_STANDARD))
def test_a_malformed_standard_signature(header: str, hashed: list[bytes]) -> None:
    """What has no v1,<44 characters of base64> is malformed, and nothing is hashed for it."""
    refuses(MalformedSignature, {**standard(KEY), "webhook-signature": header})
    assert hashed == []


def test_base64_is_canonical() -> None:
    """No other spelling of the same bytes counts: other alphabet, loose bits, case, blanks."""
    body = next(
        candidate
        for candidate in (BODY + b" " * n for n in range(100))
        if {"+", "/"} <= set(standard(KEY, candidate)["webhook-signature"])
    )
    good = standard(KEY, body)
    text = good["webhook-signature"][3:]
    following = {v: chr(ord(v) + 1) for v in "048AEIMQUYcgkosw"}
    loose = text[:42] + following[text[42]] + "="
    assert base64.b64decode(loose) == base64.b64decode(text)
    spellings = [
        *(loose, text.replace("+", "-").replace("/", "_"), text.swapcase(), text.lower()),
        *(text[:10] + "\n" + text[10:], text[:10] + "." + text[10:], "!" + text, text[::-1]),
    ]
    accepts(good, HEX, body)
    for spelling in spellings:
        with pytest.raises(VerificationError):
            accepts({**good, "webhook-signature": f"v1,{spelling}"}, HEX, body)


def test_hex_is_of_either_case() -> None:
    """The vendor's hex counts in capitals too, and only as 64 hex digits of ASCII."""
    for mac in (MAC.upper(), MAC[:32].upper() + MAC[32:], MAC):
        accepts({"X-Coffrify-Signature": f"t={NOW},v1={mac}"}, HEX)
        accepts({"X-Coffrify-Signature": f"v1={mac},t={NOW}"}, HEX)
    with pytest.raises(VerificationError):
        accepts({"X-Coffrify-Signature": f"t={NOW},v1={'g' * 64}"}, HEX)


GOOD_IDS = ["a", "-", "_", "0" * 255, "evt_1", "7d9c0f8e-5b1c-4bb4-9c1e-0f6b7a3c2d1e", "1" * 10]
BAD_IDS = [
    *(
        "",
        "a.b",
        ".",
        "a.",
        ".a",
        " a",
        "a ",
        "a b",
        "a\n",
        "a\x00",
        "a,a",
        "a" * 256,
        "a:b",
        "a/b",
    ),
    *("\u00e9", "\u0661", "\uff41", "\ud800", "a\u200b", "a" * 10_000_000, "a+b", "a=b", "a%2eb"),
]


@pytest.mark.parametrize("id_", GOOD_IDS)
def test_a_webhook_id(id_: str) -> None:
    """An id of 1 to 255 letters, digits, _ and - is believed as it is."""
    assert accepts(standard(KEY, id_=id_), HEX).id == id_


@pytest.mark.parametrize("id_", numbered(BAD_IDS))
def test_a_webhook_id_of_other_characters(id_: str, hashed: list[bytes]) -> None:
    """Any other id is malformed even if it is signed, and nothing is hashed for it."""
    mac = hmac.new(KEY, f"{id_}.{NOW}.".encode(errors="surrogatepass") + BODY, "sha256").digest()
    headers = {
        "webhook-id": id_,
        "webhook-timestamp": str(NOW),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    refuses(MalformedSignature, headers)
    assert hashed == []


@pytest.mark.parametrize("body", [b"123456789", f"{NOW}.".encode() + BODY, b"1" * 50])
def test_a_body_that_begins_with_a_number(body: bytes, hashed: list[bytes]) -> None:
    """Under the vendor's scheme it could be the rest of another delivery: malformed, unhashed."""
    with pytest.raises(MalformedSignature):
        accepts(legacy(KEY, body), HEX, body)
    assert hashed == []
    assert accepts(standard(KEY, body), HEX, body).body == body


@pytest.mark.parametrize("wrap", [bytearray, memoryview])
def test_other_buffers_are_bodies(wrap: Callable[[bytes], Any]) -> None:
    """A bytearray and a memoryview verify, and the delivery holds bytes."""
    delivery = accepts(standard(KEY), HEX, wrap(BODY))
    assert delivery.body == BODY
    assert type(delivery.body) is bytes


@pytest.mark.parametrize("body", ["text", None, 5, {}, [BODY]])
def test_what_is_not_bytes_cannot_be_verified(body: Any) -> None:
    """A body that something already decoded or parsed is refused with its type's name."""
    with pytest.raises(VerificationError, match=type(body).__name__):
        accepts(standard(KEY), HEX, body)


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\xff\xfe\xfd", b"\xed\xa0\x80", b"\xef\xbb\xbf{}", b"x" * 1_000_000]
)
@BOTH
def test_any_bytes_can_be_signed(make: Callable[..., dict[str, str]], body: bytes) -> None:
    """Verifying never decodes the body."""
    assert accepts(make(KEY, body), HEX, body).body == body


def test_the_test_header_is_information() -> None:
    """`test` follows an unsigned header, whose absence or change alters nothing else."""
    for value, told in (
        ("true", True),
        ("TRUE", True),
        ("1", False),
        ("", False),
        ("x" * 9, False),
    ):
        delivery = accepts({**standard(KEY), "X-Coffrify-Test-Delivery": value}, HEX)
        assert (delivery.test, delivery.id) == (told, "evt_1")
    assert accepts(legacy(KEY), HEX).test is False


# --- the window -------------------------------------------------------------------------------

EDGES = [
    (299.999, None),
    (0, None),
    (-0.5, None),
    (-300, None),
    (300, TimestampTooOld),
    (300.001, TimestampTooOld),
    (-300.001, TimestampTooNew),
    (-301, TimestampTooNew),
    (10**9, TimestampTooOld),
    (-(10**9), TimestampTooNew),
]


@BOTH
@pytest.mark.parametrize(("skew", "error"), EDGES)
def test_the_window_at_its_edges(
    make: Make, skew: float, error: type[VerificationError] | None, hashed: list[bytes]
) -> None:
    """Accepted while -tolerance <= now - t < tolerance, and stale ones are never hashed."""
    verifier = Verifier(HEX, clock=lambda: NOW + skew)
    if error is None:
        assert verifier.verify(BODY, make(KEY)).timestamp == NOW
        assert len(hashed) == 1
    else:
        with pytest.raises(error, match=r"\d+ s (ago|in the future), and 300 s are allowed"):
            verifier.verify(BODY, make(KEY))
        assert hashed == []


@BOTH
@pytest.mark.parametrize("tolerance", [1, 0.25, 86_400])
def test_another_tolerance_moves_both_edges(make: Make, tolerance: float) -> None:
    """tolerance= moves both edges."""
    for skew, fine in ((-tolerance, True), (tolerance, False), (tolerance - 0.125, True)):
        at = functools.partial(float, NOW + skew)
        verifier = Verifier(HEX, tolerance=tolerance, clock=at)
        if fine:
            verifier.verify(BODY, make(KEY))
        else:
            with pytest.raises(TimestampTooOld):
                verifier.verify(BODY, make(KEY))


@pytest.mark.parametrize(
    ("stamp", "cause"),
    [
        (NOW - 400, "sent again"),
        (NOW + 400, "clock of this machine is behind"),
        (NOW + 3600 + 5, "time zone"),
        (NOW + 2 * 3600 - 5, "time zone"),
        (NOW * 1000, "milliseconds"),
    ],
)
def test_the_skew_and_its_likely_cause_are_told(stamp: int, cause: str) -> None:
    """An error of the window says how far off the timestamp is, and why that may be."""
    with pytest.raises(VerificationError, match=cause) as raised:
        accepts(legacy(KEY, stamp=stamp), HEX)
    assert f"signed {abs(NOW - stamp)} s" in str(raised.value)


def test_real_time_is_the_default() -> None:
    """Without clock= the window is about this machine's time."""
    assert verify(BODY, sign(BODY, HEX), HEX).id == "evt_1"
    with pytest.raises(TimestampTooOld):
        verify(BODY, sign(BODY, HEX, timestamp=NOW - 10**9), HEX)


# --- sign -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        (TEXT, TEXT.encode()),
        (HEX, KEY),
        (BASE64, KEY),
        ("whsec_no!encoding!fits", b"whsec_no!encoding!fits"),
        ("whsec_abcd", b"whsec_abcd"),
        (Secret(HEX, encoding="text"), HEX.encode()),
        (Secret(HEX, encoding="base64"), base64.b64decode(KEY.hex())),
        (Secret("abcd", encoding="hex"), b"\xab\xcd"),
    ],
)
def test_sign_uses_the_encoding(secret: str | Secret, key: bytes) -> None:
    """Hex where it decodes, else base64, else the text; a pinned encoding goes before."""
    headers = sign(BODY, secret, id="evt_9", timestamp=NOW)
    assert headers == {**standard(key, id_="evt_9"), **legacy(key)}


@pytest.mark.parametrize(
    ("body", "id_"),
    [
        (BODY, "evt_1"),
        (b'{"id":"a.b"}', None),
        (b'{"id":""}', None),
        (b'{"id":7}', None),
        (b'{"id":["a"]}', None),
        (b'{"id":null}', None),
        (b"{}", None),
        (b"[]", None),
        (b"5", None),
        (b"", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_sign_takes_the_body_id(body: bytes, id_: str | None) -> None:
    """The id is the body's own where it can be one, else new each time."""
    one, two = (sign(body, TEXT)["webhook-id"] for _ in range(2))
    assert one == two == id_ if id_ else one != two
    assert verify(body, sign(body, TEXT), TEXT).scheme == "standard"


@pytest.mark.parametrize("id_", ["", "a.b", "a b", "a" * 256, "\u00e9"])
def test_sign_refuses_an_id_that_verify_would(id_: str) -> None:
    """What no receiver would accept cannot be signed by mistake."""
    with pytest.raises(ConfigurationError, match="id is not"):
        sign(BODY, TEXT, id=id_)


def test_sign_refuses_an_empty_secret() -> None:
    """sign has the same rules for secrets as verify."""
    with pytest.raises(ConfigurationError, match="empty"):
        sign(BODY, "")


def test_sign_takes_a_fraction_of_a_second() -> None:
    """A clock's float becomes whole seconds."""
    assert sign(BODY, TEXT, timestamp=NOW + 0.9)["webhook-timestamp"] == str(NOW)


# --- what it costs ----------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """The modules that `statement` imports in a fresh interpreter."""
    source = (
        "import sys; sys.path[:0] = sys.argv[1:2]; before = set(sys.modules)\n"
        f"{statement}\nprint(*sorted(set(sys.modules) - before))"
    )
    parent = signature.__file__.rpartition("coffrify_webhooks")[0]
    command = [sys.executable, "-I", "-S", "-c", source, parent]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import coffrify_webhooks",
        "from coffrify_webhooks import verify, Verifier, Secret, Delivery, VerificationError",
        (
            "from coffrify_webhooks import Verifier; "
            f"verifier = Verifier({HEX!r}, clock=lambda: {NOW}); "
            f"verifier.verify({BODY!r}, {standard(KEY)!r}); "
            f"verifier.verify({BODY!r}, {legacy(KEY)!r})"
        ),
    ],
    ids=["package", "names", "use"],
)
def test_the_verify_path_stays_light(statement: str) -> None:
    """Importing the package, or verifying with it, loads none of the heavy modules."""
    loaded = loaded_by(statement)
    assert "coffrify_webhooks" in loaded
    heavy = {"pydantic", "pydantic_core", "base64", "re", "json", "dataclasses", "typing", "enum"}
    assert not loaded & heavy
    assert not {name for name in loaded if name.startswith("coffrify_webhooks.events")}


def test_a_verifier_is_shared_by_threads() -> None:
    """Threads that reorder the keys at the same time lose none of them."""
    from concurrent.futures import ThreadPoolExecutor

    secrets = [f"secret-number-{number}" for number in range(6)]
    verifier = Verifier(secrets, clock=now)
    signed = [legacy(secret.encode()) for secret in secrets]

    def work(start: int) -> bool:
        return all(
            verifier.verify(BODY, signed[number % 6]).key == number % 6
            for number in range(start, start + 300)
        )

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, range(6)))
    assert sorted(key.index for key in verifier.keyring().order) == list(range(6))


def test_every_candidate_is_tried_once() -> None:
    """A forged signature costs one hash for each distinct candidate key, and no more."""
    rings = {TEXT: 1, HEX: 3, BASE64: 2, "whsec_xyz": 1}
    assert {text: len(Verifier(text).keyring().order) for text in rings} == rings


def test_not_after_takes_a_zone_aware_datetime_of_any_zone() -> None:
    """The instant counts, not the wall clock of its zone."""
    from datetime import timezone

    zone = timezone(timedelta(hours=5))
    moment = datetime.fromtimestamp(NOW, zone)
    assert Secret(TEXT, not_after=moment).not_after == NOW
    with pytest.raises(ConfigurationError):
        Secret(TEXT, not_after=time(1, tzinfo=UTC))


def test_mapping_of_anything() -> None:
    """A mapping whose values of other headers are no text is no obstacle."""
    headers: Mapping[str, Any] = {"Accept": object(), **legacy(KEY)}
    assert accepts(headers, HEX).scheme == "coffrify"


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_keys_of_every_size_are_hmac_keys(size: int) -> None:
    """A key shorter than, as long as, or longer than a hash block gives what hmac.digest gives."""
    secret = Secret("k" * size, encoding="text")
    body = b'{"type":"ping"}'
    mac = hmac.digest(b"k" * size, b"1700000000." + body, "sha256").hex()
    headers = {"X-Coffrify-Signature": f"t=1700000000,v1={mac}"}
    assert verify(body, headers, secret, clock=lambda: 1_700_000_000).key == 0


@pytest.mark.parametrize(
    "options", [{"timestamp": float("nan")}, {"timestamp": -5}, {"timestamp": "x"}, {"id": "a.b"}]
)
def test_sign_refuses_what_no_sender_writes(options: Any) -> None:
    """sign() tells a mistake as a ConfigurationError."""
    with pytest.raises(ConfigurationError):
        sign(b"{}", "a-secret", **options)


def test_an_incomplete_scheme_gives_way_to_the_other() -> None:
    """Beside a wrong coffrify signature, missing standard headers are not what is told."""
    signed = sign(b"{}", "a-secret", timestamp=1_700_000_000)
    headers = {
        "webhook-signature": signed["webhook-signature"],
        "X-Coffrify-Signature": signed["X-Coffrify-Signature"],
    }
    with pytest.raises(SignatureMismatch):
        verify(b"{}", headers, "another", clock=lambda: 1_700_000_000)


def test_a_clock_that_cannot_be_called_is_refused() -> None:
    """A Verifier tells a clock that cannot be called when it is made; None is time.time."""
    Verifier("a-secret", clock=None)
    with pytest.raises(ConfigurationError, match="clock=5"):
        Verifier("a-secret", clock=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("scheme", ["standard", "coffrify"])
def test_every_signature_is_compared_in_constant_time(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a signature holds is what `hmac.compare_digest` says, and nothing else decides."""
    from coffrify_webhooks.signature import keyring

    body = b'{"id": "evt_1"}'
    verifier = Verifier("whsec_" + "5a" * 32, schemes=[scheme])  # type: ignore[list-item]
    headers = sign(body, "whsec_" + "5a" * 32)
    monkeypatch.setattr(keyring, "compare_digest", lambda *_: False)
    with pytest.raises(SignatureMismatch):
        verifier.verify(body, headers)
    monkeypatch.setattr(keyring, "compare_digest", lambda *_: True)
    assert verifier.verify(b"another body", headers).scheme == scheme


def test_a_time_of_days_ahead_is_no_time_zone() -> None:
    """Only what two clocks on Earth can differ by is called one."""
    for days, says in ((1, "a time zone was mixed in"), (8, "the clock of this machine is behind")):
        signed = sign(b"{}", "a-secret-for-these-tests", timestamp=1_700_000_000 + days * 86_400)
        with pytest.raises(TimestampTooNew, match=says):
            verify(b"{}", signed, "a-secret-for-these-tests", clock=lambda: 1_700_000_000)
