"""Whatever the class and the body: an event of that class, for work that is bounded."""

import json
import sys
from types import FrameType
from typing import Any

import pytest
from pydantic import ValidationError
from tests.budgets import budget
from tests.parsing.random_classes import Case, case

from coffrify_webhooks import Event, parse
from coffrify_webhooks.parsing.bounds import bounds_of
from coffrify_webhooks.parsing.salvage import salvage

SEEDS = range(budget(60, 3000))
_CALLS, _CALLS_A_PART = 7000, 12
"""A call takes a tenth of a microsecond or less, `json.loads` as long for a part: a key or a value.

The first is for what a small body may cost: to list a hundred issues, for one.
"""
_ERRORS, _ERRORS_A_PART = 1000, 2


def parts_of(value: Any) -> int:
    """Count the keys and values of a document."""
    count, todo = 0, [value]
    while todo:
        each = todo.pop()
        count += 1 + (len(each) if isinstance(each, dict) else 0)
        if isinstance(each, (dict, list)):
            todo += each.values() if isinstance(each, dict) else each
    return count


def parsed(given: Case) -> tuple[Event, int]:
    """Parse a body, and count the calls that this takes, of Python's functions and of C's."""
    parse(b'{"type":"own","data":{}}', registry=given.registry)  # the plan is compiled once
    calls = 0

    def count(_frame: FrameType, what: str, _argument: object) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        return parse(given.body, registry=given.registry), calls
    finally:
        sys.setprofile(before)


def errors_of(given: Case) -> int:
    """Count what pydantic lists, where it is given the whole body."""
    if not bounds_of(given.event_class).allow(given.body):
        return 0
    try:
        given.event_class.model_validate_json(given.body)
    except ValidationError as error:
        return error.error_count()
    return 0


@pytest.mark.parametrize("size", [300, 5000])
def test_work_for_any_class_and_body_is_bounded(size: int) -> None:
    """Calls and pydantic's errors grow with the parts of a body, by the same for any class."""
    for seed in SEEDS:
        given = case(seed, size)
        event, calls = parsed(given)
        parts = parts_of(json.loads(given.body))
        assert type(event) is given.event_class, seed
        assert event.raw == given.body, seed
        assert len(event.issues) <= 100, seed
        assert calls <= _CALLS + _CALLS_A_PART * parts, (seed, calls, parts)
        assert errors_of(given) <= _ERRORS + _ERRORS_A_PART * parts, seed


def test_salvage_agrees_with_pydantic_about_what_fits() -> None:
    """What pydantic takes has no issues, and holds the same values of the same types."""
    agreed = 0
    for seed in SEEDS:
        given = case(seed, 300, unions=False)
        try:
            whole = given.event_class.model_validate_json(given.body)
        except ValidationError:
            continue
        salvaged = salvage(given.event_class, json.loads(given.body))
        assert salvaged.issues == (), seed
        assert repr(salvaged.model_dump()) == repr(whole.model_dump()), seed
        agreed += 1
    assert agreed > len(SEEDS) // 4
