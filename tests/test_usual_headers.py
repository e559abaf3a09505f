"""The usual shapes of headers take short ways; the verdict is that of the long ones."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.budgets import budget

from coffrify_webhooks import Secret, Verifier, sign
from coffrify_webhooks.errors import MalformedSignature, VerificationError
from coffrify_webhooks.signature import headers as shapes
from coffrify_webhooks.signature import verifier as checks
from coffrify_webhooks.wsgi import signature_headers

SECRETS: list[str | Secret] = [
    "whsec_" + "5a" * 16,
    Secret("another secret of the receiver", encoding="text"),
]
BODY = b'{"id":"evt_1","type":"ping"}'
NOW = 1_800_000_000
OTHERS = {"Host": "a.example", "Accept": "*/*", "X-Request-Id": "1", "Content-Encoding": "gzip"}
PIECES = (
    *(
        "",
        " ",
        ",",
        "v1",
        "v1,",
        "=",
        "t=",
        ",v1=",
        "0",
        "A",
        "a",
        "f",
        "/",
        "\n",
        "\x00",
        "é",
        "٣",
    ),
    *(f"t={NOW}", "t=1", "-", "_", ".", "9" * 20, "v1=" + "0" * 64, "v1," + "A" * 44),
)


def mutations(rng: random.Random, count: int) -> Iterator[Any]:
    """Random headers near valid ones, as a dict, or pairs of text or bytes, or a WSGI environ."""
    for _ in range(count):
        age = rng.choice((0, 0, 0, 0, 299, 300, -300, -301, 10**9))
        secret = rng.choice((*SECRETS, "whsec_" + "78" * 16))
        signed = sign(BODY, secret, id=rng.choice(("evt_1", "e" * 255)), timestamp=NOW - age)
        pairs = list(signed.items())
        for _ in range(rng.choice((0, 1, 1, 2))):
            at = rng.randrange(len(pairs))
            name, value = pairs[at]
            cut = rng.randrange(len(value) + 1)
            spoilt = value[:cut] + rng.choice(PIECES) + value[cut + rng.randint(0, 3) :]
            name = rng.choice((name, name, name.lower(), name.upper(), name.swapcase()))
            pairs[at] = (name, rng.choice((spoilt, spoilt, value, value.upper(), value.lower())))
        if rng.random() < 0.2:
            pairs.append(rng.choice(pairs))
        if rng.random() < 0.3:
            pairs = rng.sample(pairs, rng.randint(0, len(pairs)))
        if rng.random() < 0.5:
            pairs += OTHERS.items()
        rng.shuffle(pairs)
        yield shaped(rng, pairs)


def shaped(rng: random.Random, pairs: list[tuple[str, str]]) -> Any:
    shape = rng.choice(("dict", "lower", "pairs", "bytes", "mixed", "environ"))
    if shape == "dict":
        return dict(pairs)
    if shape == "lower":
        return {name.lower(): value for name, value in pairs}
    if shape == "environ":
        found = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in pairs}
        return signature_headers({"wsgi.version": (1, 0), **found})
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in pairs]
    if shape == "mixed":
        odd: list[Any] = [None, 5, b"x", ["a"]]
        text: Any = pairs
        return {**dict(text), rng.choice(pairs or [("webhook-id", "")])[0].lower(): rng.choice(odd)}
    return raw if shape == "bytes" else pairs


def verdict(verifier: Verifier, headers: Any) -> Any:
    try:
        found = verifier.verify(BODY, headers)
    except VerificationError as error:
        return type(error), str(error)
    return {name: getattr(found, name) for name in found.__slots__ if hasattr(found, name)}


def strictly(headers: Any) -> dict[str, str]:
    """Read headers name by name, as `pick` does for what is not of a usual shape."""
    found: dict[str, str] = {}
    try:
        for name, value in headers.items() if hasattr(headers, "items") else headers:
            if len(name) in shapes._NAME_LENGTHS and value is not None:
                lower = (str(name, "latin-1") if isinstance(name, bytes) else name).lower()
                text = str(value, "latin-1") if isinstance(value, bytes) else value
                if lower not in found:
                    found[lower] = text + ""
                elif len(found[lower]) <= shapes._LONGEST_HEADER:
                    found[lower] += "," + text
    except (TypeError, ValueError, AttributeError):
        message = "the headers are neither a mapping nor pairs of text or bytes"
        raise MalformedSignature(message) from None
    return found


def test_the_usual_shapes_have_the_verdict_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random mutations of names, values, kinds and containers; also of error and message."""
    makers: list[Any] = [{}, {"schemes": ("standard",)}, {"schemes": ("coffrify",)}]
    verifiers = [Verifier(SECRETS, clock=lambda: NOW, **options) for options in makers]
    cases = list(mutations(random.Random(14), budget(1000, 100_000)))
    usual = [verdict(verifiers[place % 3], headers) for place, headers in enumerate(cases)]
    monkeypatch.setattr(checks, "pick", strictly)
    monkeypatch.setattr(checks, "accept_usual", lambda *_, **__: None)  # what asks the long way
    monkeypatch.setattr(shapes, "_USUAL_STANDARD", -1)  # no header is of a usual length
    monkeypatch.setattr(shapes, "_USUAL_COFFRIFY", -1)
    for place, headers in enumerate(cases):
        assert verdict(verifiers[place % 3], headers) == usual[place], headers
    accepted = [each for each in usual if type(each) is dict]
    assert shapes._seen_bytes >= {b"Host", b"Accept"}  # and so the short way of names was taken
    assert 0.1 < len(accepted) / len(cases) < 0.9


def test_a_dict_of_our_own_names_is_used_as_it_is() -> None:
    """And one with another name, kind or value is read name by name."""
    own = {"webhook-id": "evt", "x-coffrify-signature": "t=1,v1=0"}
    assert shapes.pick(own) is own
    others: list[dict[Any, Any]] = [{"Host": "a"}, {"Webhook-Id": "evt"}, {b"webhook-id": b"evt"}]
    for other in others:
        assert shapes.pick({**own, **other}) is not own
    assert shapes.pick({"webhook-id": b"evt"}) == {"webhook-id": "evt"}
    assert shapes.pick({"webhook-id": None}) == {}


def test_a_body_of_digits_is_refused_though_its_signature_holds() -> None:
    """`timestamp.body` of it could be another delivery's `id.timestamp.body`."""
    body = b"1800000000.{}"
    signed = sign(body, SECRETS[1], timestamp=NOW)
    own = {"x-coffrify-signature": signed["X-Coffrify-Signature"]}
    with pytest.raises(MalformedSignature, match="begins with a number"):
        Verifier(SECRETS[1], clock=lambda: NOW).verify(body, own)


@pytest.mark.parametrize("said", ["true", "TRUE", "false", ""])
def test_a_test_delivery_is_one_that_says_true(said: str) -> None:
    signed = {**sign(BODY, SECRETS[1], timestamp=NOW), "X-Coffrify-Test-Delivery": said}
    found = Verifier(SECRETS[1], clock=lambda: NOW).verify(BODY, signed)
    assert found.test is (said in ("true", "TRUE"))


@pytest.mark.parametrize("excess", [0, 1])
def test_the_longest_header_is_read_and_a_longer_one_is_not(excess: int) -> None:
    """8192 characters, with the signature at the end; a header of our own scheme too."""
    signature = "v1," + "A" * 44
    header = signature.rjust(8192 + excess)
    assert len(shapes.standard_signatures(header)) == 1 - excess
    stamped = "t=1,v1=" + "a" * 64
    ours = "v0=" + "x" * (8192 + excess - len(stamped) - 4) + "," + stamped
    assert len(ours) == 8192 + excess
    assert len(shapes.coffrify_parts(ours)[1]) == 1 - excess


def test_an_unknown_name_of_bytes_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on the short way is taken, under servers that give bytes as under others."""
    for kind, which in ((str, "_seen"), (str.encode, "_seen_bytes")):
        seen: Any = type(getattr(shapes, which))()  # that of other tests may be full
        monkeypatch.setattr(shapes, which, seen)
        name: Any = kind(f"x-{random.getrandbits(64):x}")
        assert shapes.pick([(name, kind("1"))]) == {}
        assert name in seen


@pytest.mark.parametrize("header", ["t=1,v1=a b", "t=1,t=2", "t", "v1=\n", "t=1,v1=é", "x" * 9000])
def test_a_malformed_header_of_our_own_scheme_has_no_parts(header: str) -> None:
    assert shapes.coffrify_parts(header) == ("", ())


@pytest.mark.parametrize("value", ["1", None])
def test_what_stands_before_our_headers_hides_none_of_them(value: Any) -> None:
    """An unknown name as long as one of ours, another of any length, and a header without value."""
    alike = f"x-{random.getrandbits(32):08x}"
    assert len(alike) == len("webhook-id")
    others = [(alike, "1"), (f"x-{random.getrandbits(64):x}", "1"), ("Webhook-Timestamp", value)]
    found = shapes.pick([*others, ("Webhook-Id", "evt_1")])
    assert found.pop("webhook-timestamp", None) == value
    assert found == {"webhook-id": "evt_1"}
