"""Every case of a delivery has the outcome that the table of replies promises."""

import json
from typing import Any

import pytest

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router
from coffrify_webhooks.testing import deliver, isolated
from coffrify_webhooks.testing.case_names import CASES

SECRET = "whsec_" + "5e" * 32

OUTCOMES: dict[str, tuple[int, str, str]] = {
    "valid": (200, "handled", ""),
    "duplicate": (200, "duplicate", ""),
    "stale": (400, "rejected", "timestamp_too_old"),
    "early": (400, "rejected", "timestamp_too_new"),
    "forged": (400, "rejected", "signature_mismatch"),
    "unsigned": (400, "rejected", "missing_signature"),
    "tampered": (400, "rejected", "signature_mismatch"),
    "unknown_type": (200, "ignored", ""),
    "unknown_field": (200, "handled", ""),
    "missing_field": (200, "handled", ""),
    "wrong_type": (200, "handled", ""),
    "unknown_value": (200, "handled", ""),
    "not_json": (422, "unreadable", "unreadable_payload"),
    "too_large": (413, "rejected", "body_too_large"),
}
IN_STRICT = {"missing_field", "wrong_type"}


@pytest.fixture
def seen() -> list[Event]:
    return []


@pytest.fixture
def router(seen: list[Event]) -> Router:
    router = Router()
    router.on("transfer.created", "workspace.created")(seen.append)
    return router


def test_every_case_is_in_the_table() -> None:
    """`concurrent` has two results, and tests of its own."""
    assert {*CASES} == {*OUTCOMES, "concurrent"}


@pytest.mark.parametrize("case", OUTCOMES)
@pytest.mark.parametrize("schemes", [("standard", "coffrify"), ("coffrify",)])
def test_each_case_has_its_outcome(
    router: Router, seen: list[Event], case: Any, schemes: Any
) -> None:
    """With the receiver's own secret and tolerance, whatever they are, and by either scheme."""
    receiver = Receiver(
        SECRET, router=router, store="memory:", tolerance=600_000, max_body=9000, schemes=schemes
    )
    result = deliver(receiver, "transfer.created", case=case)
    assert (result.status, result.outcome, result.code) == OUTCOMES[case], result
    ran = OUTCOMES[case][1] in ("handled", "duplicate")
    assert len(seen) == ran
    if case in IN_STRICT:
        assert seen[0].issues
    elif ran:
        assert seen[0].issues == ()


@pytest.mark.parametrize("case", sorted(IN_STRICT))
def test_a_strict_receiver_refuses_what_does_not_fit(router: Router, case: Any) -> None:
    """A bend that would have to be salvaged is a 422."""
    receiver = Receiver(SECRET, router=router, store="memory:", strict=True)
    result = deliver(receiver, "transfer.created", case=case)
    assert (result.status, result.outcome) == (422, "unreadable")


@pytest.mark.parametrize("case", ["unknown_field", "missing_field", "wrong_type"])
def test_a_type_of_which_nothing_is_known_can_be_bent(
    router: Router, seen: list[Event], case: Any
) -> None:
    """Its envelope is; the event is handled all the same."""
    receiver = Receiver(SECRET, router=router, store="memory:")
    assert deliver(receiver, "workspace.created", case=case).outcome == "handled"
    assert bool(seen[0].issues) == (case in IN_STRICT)


def test_a_bend_that_a_type_does_not_have_is_named(router: Router) -> None:
    """A type without a list of known values has no unknown one."""
    receiver = Receiver(SECRET, router=router, store="memory:")
    with pytest.raises(ConfigurationError, match="no field with a list of known values"):
        deliver(receiver, "workspace.created", case="unknown_value")


def test_a_case_that_does_not_exist_is_named(router: Router) -> None:
    """With those that do."""
    receiver = Receiver(SECRET, router=router, store="memory:")
    with pytest.raises(ConfigurationError, match="valid, duplicate, stale"):
        deliver(receiver, "transfer.created", case="late")  # type: ignore[call-overload]


def test_a_duplicate_is_one_event_whose_handler_ran_once(router: Router, seen: list[Event]) -> None:
    """The result is the second's; the kit has both."""
    with isolated() as kit:
        receiver = Receiver(router=router)
        result = kit.deliver(receiver, "transfer.created", case="duplicate")
        assert [each.outcome for each in kit.results] == ["handled", "duplicate"]
        assert [event.id for event in kit.events] == [result.event.id] == [seen[0].id]


def test_the_same_id_with_other_data_is_a_conflict(router: Router) -> None:
    """`id=` sends an event of before again."""
    receiver = Receiver(SECRET, router=router, store="memory:")
    first = deliver(receiver, "transfer.created", id="evt_1")
    again = deliver(receiver, first.event)
    other = deliver(receiver, first.event, data={"notes": "changed"})
    assert [each.outcome for each in (first, again, other)] == ["handled", "duplicate", "conflict"]


def test_the_bent_body_is_what_the_handler_gets(router: Router, seen: list[Event]) -> None:
    """The result's event is the valid one; the handler's is bent in one place."""
    receiver = Receiver(SECRET, router=router, store="memory:")
    result = deliver(receiver, "transfer.created", case="unknown_value")
    made, got = json.loads(result.event.raw), json.loads(seen[0].raw)
    assert (made["data"]["status"], got["data"]["status"]) == ("active", "invented_later")
    assert got == {**made, "data": {**made["data"], "status": "invented_later"}}


def test_a_family_handler_takes_an_unknown_type(router: Router, seen: list[Event]) -> None:
    """The unknown type is of the family of the one that was named."""
    router.on("transfer.*", name="family")(seen.append)
    receiver = Receiver(SECRET, router=router, store="memory:")
    assert deliver(receiver, "transfer.created", case="unknown_type").outcome == "handled"
    assert seen[0].type == "transfer.invented_later"


def test_without_a_handler_at_all_a_delivery_is_unavailable() -> None:
    """As in production, where nothing was imported; the text says what to import."""
    result = deliver(Receiver(SECRET, router=Router(), store="memory:"), "transfer.created")
    assert (result.status, result.outcome) == (503, "unavailable")
    assert "import the module that holds them" in str(result)


def test_a_forged_delivery_is_not_taken_for_a_body_written_again(router: Router) -> None:
    """The kit separates its JSON as senders do, so nothing in it looks like json.dumps."""
    with isolated() as kit:
        receiver = Receiver(router=router)
        for event in ("transfer.created", "workspace.created"):
            kit.deliver(receiver, event, case="forged")
        other = kit.deliver(receiver, "transfer.created", secret="whsec_" + "0f" * 32)
        said = [str(each) for each in kit.results]
    assert other.code == "signature_mismatch"
    assert not any("json.dumps" in each for each in said)
