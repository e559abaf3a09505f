"""The doctor names what spoilt a request, proves it where it can, and claims nothing else."""

import json
import os
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.doctor.requests import (
    BODY,
    BROKEN,
    FORGED,
    HEADERS,
    NOW,
    OTHER,
    SECRET,
    SOUND,
    TWO,
    Case,
)

from coffrify_webhooks import ConfigurationError, sign
from coffrify_webhooks.doctor import Diagnosis, diagnose, work
from coffrify_webhooks.doctor.causes import CODES

pytestmark = pytest.mark.usefixtures("unhurried_doctor")


def examined(case: Case) -> Diagnosis:
    return diagnose(case.body, case.headers, case.secrets, now=case.now)


def codes(found: Diagnosis) -> list[str]:
    return [cause.code for cause in found.causes]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_the_right_code_comes_first(case: Case) -> None:
    """Each trap is named, and proven where a variant can be computed."""
    found = examined(case)
    assert codes(found)[:1] == [*case.codes], found
    assert found.causes[0].certainty == ("proven" if case.is_proven else "likely"), found
    assert not found.accepted
    if case.is_proven:
        assert len(found.causes) == 1, found


@pytest.mark.parametrize("case", TWO, ids=lambda case: case.name)
def test_two_causes_at_once_are_both_found(case: Case) -> None:
    """What was spoilt twice is undone twice."""
    found = examined(case)
    assert sorted(codes(found)) == sorted(case.codes), found
    certainty = "proven" if case.is_proven else "likely"
    assert {cause.certainty for cause in found.causes} == {certainty}


@pytest.mark.parametrize("case", SOUND, ids=lambda case: case.name)
def test_a_sound_request_is_accepted_without_causes(case: Case) -> None:
    """The verdict is the verifier's."""
    found = examined(case)
    assert (found.accepted, found.causes) == (True, ())


@pytest.mark.parametrize("case", FORGED, ids=lambda case: case.name)
def test_nothing_is_claimed_of_a_forged_request(case: Case) -> None:
    """Only `unknown` is said, with what was excluded and what is left."""
    found = examined(case)
    assert codes(found) == ["unknown"], found
    assert "were excluded" in found.causes[0].message
    assert "another endpoint" in found.causes[0].message


def test_every_code_has_a_request_that_shows_it() -> None:
    """The table has no hole."""
    assert {case.codes[0] for case in [*BROKEN, *FORGED]} == set(CODES)


def test_a_method_other_than_post_is_said() -> None:
    """A signature may hold and the request be refused all the same."""
    found = diagnose(BODY, HEADERS, SECRET, now=NOW, method="GET")
    assert (found.accepted, codes(found)) == (False, ["unknown"])
    assert "the method is not POST" in found.facts[-2]


@pytest.mark.parametrize(
    "secrets",
    [None, "", " ", [], [""], b"bytes", {"a": "b"}, 5, lambda: 1 // 0],
    ids=["none", "empty", "blank", "no_list", "empties", "bytes", "mapping", "number", "raises"],
)
def test_no_secret_is_a_mistake_of_the_callers_own(secrets: Any) -> None:
    """It is told, not diagnosed."""
    with pytest.raises(ConfigurationError):
        diagnose(BODY, HEADERS, secrets)


@pytest.mark.parametrize("now", ["now", float("nan"), True])
def test_a_time_that_is_no_number_is_a_mistake_too(now: Any) -> None:
    """As nothing could be said of the clock."""
    with pytest.raises(ConfigurationError):
        diagnose(BODY, HEADERS, SECRET, now=now)


class Strange:
    def items(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize(
    "headers",
    [None, 5, "text", b"bytes", [1, 2], [("a",)], {"webhook-id": None}, {1: 2}, Strange()],
    ids=[
        "none",
        "number",
        "text",
        "bytes",
        "numbers",
        "short",
        "no_value",
        "number_names",
        "raises",
    ],
)
def test_headers_of_a_wrong_type_raise_nothing(headers: Any) -> None:
    """They are what a framework's wrong attribute gives."""
    assert not diagnose(BODY, headers, SECRET, now=NOW).accepted


PIECES = st.sampled_from(
    [
        b'{"a":',
        b"1.0",
        b"]",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
        b"%7B",
        b"=",
        b"b'",
        b'"',
        b"\\",
    ]
)
NAMES = st.sampled_from([*HEADERS, "X-Webhook-Id", "Date", "Content-Length", "Content-Encoding"])
VALUES = st.one_of(
    st.sampled_from([*HEADERS.values(), "v1,", "t=1,v1=", "9" * 40, "Mon, 99 Xyz"]),
    st.text(max_size=60),
    st.binary(max_size=60),
    st.none(),
    st.integers(),
    st.lists(st.text(max_size=5), max_size=3),
)
SECRETS = st.text(st.sampled_from("whsec_v1,'\"QZ\u200b \n%=01\ud800"), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=8).map(b"".join)),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
    SECRETS.filter(str.strip),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_diagnose_never_raises_whatever_it_is_given(
    body: bytes, headers: list[tuple[str, Any]], secret: str, now: float | None
) -> None:
    """Any bytes, headers, secrets and times have a diagnosis, which can be written as JSON."""
    found = diagnose(body, headers, secret, now=now)
    assert found.accepted or found.causes
    assert {*codes(found)} <= {*CODES}
    json.dumps(found.as_json())


@settings(max_examples=15, deadline=None)
@given(
    st.text(st.sampled_from("GHJKQXYZ23456789"), min_size=8, max_size=48),
    st.text(st.sampled_from("GHJKQXYZ23456789"), min_size=8, max_size=48),
    st.sampled_from(["", '"', "v1,", " ", "cof_live_", "whsec_", "${", "b'", "A="]),
    st.sampled_from(["", '"', "\n", "...", "\\n", "}"]),
)
def test_no_piece_of_a_secret_or_body_is_told(
    secret: str, word: str, before: str, after: str
) -> None:
    """Not four characters of either stand in what a diagnosis shows, nor their number."""
    body = json.dumps({"id": "evt_1", "type": "ping", word: [word]}).encode()
    headers = {**sign(body, OTHER, timestamp=NOW), f"X-{word}-Webhook-Id": word}
    found = diagnose(body + b"\n", headers, f"{before}{secret}{after}", now=NOW)
    said = repr(found) + json.dumps(found.as_json())
    for text in (secret, word):
        assert not any(text[at : at + 4] in said for at in range(len(text) - 3))


def test_diagnoses_of_a_short_and_a_long_secret_are_alike() -> None:
    """What is said does not depend on how long a secret is."""
    short, long = (diagnose(BODY, HEADERS, f"{end}-of-a-plain-text", now=NOW) for end in "ab")
    assert short.causes == long.causes
    cut = [diagnose(BODY, HEADERS, SECRET[:size], now=NOW).causes for size in (25, 41)]
    assert cut[0] == cut[1]


HOSTILE = {
    "random": os.urandom(1 << 20),
    "nested": b"[" * 500_000,
    "digits": b"1" * (1 << 20),
    "numbers": b'{"a":[' + b"1," * 500_000 + b"1]}",
    "floats": b'{"a":[' + b"1.5," * 250_000 + b"1]}",
    "keys": json.dumps({f"k{number}": number for number in range(60_000)}).encode(),
    "fields": b"a=%7B&" * 170_000,
    "escapes": b'{"a":"' + b"\\u00e9" * 170_000 + b'"}',
    "quotes": b'"' * (1 << 20),
    "backslashes": b'{"a":"' + b"\\" * (1 << 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_search_is_bounded_for_large_bodies(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of this thread's time at the most, with room for a slow machine."""
    monkeypatch.setattr(work, "_SECONDS", 0.6)  # as outside of these tests
    body = HOSTILE[name]
    headers = {**sign(BODY, SECRET, timestamp=NOW), "webhook-id": "evt_9"}
    before = time.thread_time()
    found = diagnose(body, headers, f'"{OTHER}"', now=NOW)
    assert time.thread_time() - before < 3
    assert not found.accepted


@pytest.mark.parametrize(
    ("secrets", "now"),
    [([SECRET, 5], NOW), (SECRET, "now"), (lambda: [SECRET, b"x"], NOW)],
    ids=["list", "now", "function"],
)
def test_no_frame_of_an_error_holds_a_secret(secrets: Any, now: Any) -> None:
    """Crash reporters show the local variables of each frame."""
    with pytest.raises(ConfigurationError) as caught:
        diagnose(BODY, HEADERS, secrets, now=now)
    frames = [each.frame.f_locals for each in caught.traceback[1:]]
    assert frames
    assert not any(SECRET in repr(each) for each in frames)
    assert caught.value.__context__ is None or SECRET not in repr(caught.value.__context__)
