"""Requests that other programs spoilt, and forgeries, of which nothing is claimed."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.doctor.forgeries import FORGERIES, ODD
from tests.doctor.real_bodies import BODIES
from tests.doctor.real_event import BODY, HEADERS, NOW, SECRET, signed
from tests.doctor.real_set_ups import HEADED, SECRETS, TWICE
from tests.doctor.requests import Case

from coffrify_webhooks.doctor import diagnose, work

pytestmark = pytest.mark.usefixtures("unhurried_doctor")


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
def test_a_body_that_others_spoil_is_named(case: Case) -> None:
    """The right code comes first, and is proven where a variant verifies."""
    assert_named_first(case)


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.name)
def test_a_secret_that_others_spoil_is_named(case: Case) -> None:
    """As it was copied, kept and written by people and their tools."""
    assert_named_first(case)


@pytest.mark.parametrize("case", HEADED, ids=lambda case: case.name)
def test_a_header_that_others_spoil_is_named(case: Case) -> None:
    """By gateways, logs and languages."""
    assert_named_first(case)


def assert_named_first(case: Case) -> None:
    found = diagnose(case.body, case.headers, case.secrets, now=case.now)
    assert [each.code for each in found.causes][:1] == [*case.codes], found
    assert found.causes[0].certainty == ("proven" if case.is_proven else "likely"), found


@pytest.mark.parametrize("case", TWICE, ids=lambda case: case.name)
def test_two_mistakes_of_real_set_ups_are_both_proven(case: Case) -> None:
    """What was spoilt by two things is undone in both."""
    found = diagnose(case.body, case.headers, case.secrets, now=case.now)
    assert {each.code for each in found.causes} == {*case.codes}, found
    assert {each.certainty for each in found.causes} == {"proven"}


@pytest.mark.parametrize("case", FORGERIES, ids=lambda case: case.name)
def test_no_cause_is_claimed_of_a_forgery(case: Case) -> None:
    """However it is written, and whatever time it names."""
    found = diagnose(case.body, case.headers, case.secrets, now=case.now)
    assert [each.code for each in found.causes] == ["unknown"], found


@pytest.mark.parametrize("request_of", [each[1] for each in ODD], ids=[each[0] for each in ODD])
def test_an_odd_request_that_holds_is_accepted(request_of: Callable[[], tuple[bytes, Any]]) -> None:
    """What looks spoilt and was signed so is sound."""
    body, headers = request_of()
    found = diagnose(body, headers, SECRET, now=NOW)
    assert (found.accepted, found.causes) == (True, ()), found


def test_how_a_body_is_written_is_a_fact_and_no_cause() -> None:
    """Senders and forgers use Python and PHP too, so that it supports nothing."""
    for body, says in (('{"a": 1}', "as Python's json.dumps"), (r'{"a":"a\/b"}', "as PHP writes")):
        found = diagnose(body.encode(), HEADERS | {"webhook-id": "x"}, "another-secret", now=NOW)
        assert [each.code for each in found.causes] == ["unknown"]
        assert any(says in fact for fact in found.facts), found


LARGE = json.dumps([{"id": n, "price": 1.5, "name": "\u00e9" * 9} for n in range(9000)]).encode()
HOSTILE: dict[str, tuple[bytes, Any, Any]] = {
    "numbers": (b'{"a":' + LARGE[:1_000_000] + b"]}", HEADERS, f'"{SECRET}"'),
    "chunks": (b"1\r\na\r\n" * 150_000, HEADERS, SECRET),
    "deep": (b'{"a":' * 100_000, HEADERS, SECRET),
    "as deep as can be": (b'{"a":' * 900 + b"1" + b"}" * 900, HEADERS, SECRET),
    "keys of a lost order": (
        json.dumps({f"k{n % 7}{n}": n for n in range(3000)}).encode(),
        HEADERS,
        SECRET[:-1],
    ),
    "strings in strings": (
        json.dumps(json.dumps(json.dumps("\\" * 99_999))).encode(),
        HEADERS,
        SECRET,
    ),
    "letters": ("\u00e9\u0416\u4e2d".encode() * 120_000, HEADERS, SECRET),
    "headers": (
        BODY + b" x",
        [(f"X-{n}-Webhook-Id", f"{n},{n},{n}") for n in range(10_000)] + [*HEADERS.items()],
        SECRET,
    ),
    "signatures": (BODY + b" x", {**HEADERS, "webhook-signature": "v1,ab= " * 100_000}, SECRET),
    "a secret": (BODY, signed(b"x"), "whsec_" + "a,b;" * 100_000),
    "secrets": (BODY, signed(b"x"), [f"secret-number-{n}-of-many" for n in range(5000)]),
    "moments": (b'{"at":"' + b"00:00:00.1Z" * 50_000 + b'"}', HEADERS, SECRET),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_search_ends_in_time_whatever_it_is_given(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds for each way to undo; a slow machine has room."""
    monkeypatch.setattr(work, "_SECONDS", 0.6)  # as outside of these tests
    body, headers, secrets = HOSTILE[name]
    clock = time.thread_time
    before = clock()
    found = diagnose(body, headers, secrets, now=NOW)
    assert clock() - before < 3
    assert not found.accepted
