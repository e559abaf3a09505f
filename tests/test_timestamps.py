"""Timestamps of events: the form that pydantic reads by itself, and all the others."""

import copy
import json
import pickle
import random
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from tests.budgets import budget

from coffrify_webhooks import parse
from coffrify_webhooks.event import base

STRICT = ConfigDict(strict=True, allow_inf_nan=False)
BOTH = TypeAdapter(base.Timestamp, config=STRICT)
CAREFUL = TypeAdapter[Any](Annotated[datetime, BeforeValidator(base.read_moment)], config=STRICT)
SEEDS = (
    *("2026-11-27T10:00:00Z", "2026-11-27T10:00:00.123456Z", "2026-11-27T10:00:00.1Z"),
    *("2026-12-31T23:59:60Z", "2026-12-31T24:00:00Z", "9999-12-31T24:00:00Z", "2026-02-30T10:00Z"),
    *("0000-01-01T00:00:00Z", "2026-11-27T10:00:00+02:00", "2026-11-27", "4242", ""),
)


def read(adapter: TypeAdapter[Any], text: str, *, from_json: bool) -> Any:
    try:
        if from_json:
            found = adapter.validate_json(json.dumps(text))
        else:
            found = adapter.validate_python(text)
    except ValidationError as error:
        return [each["type"] for each in error.errors(include_url=False)]
    return found, found.isoformat(), found.tzname(), adapter.dump_json(found)


def test_the_usual_form_is_read_as_the_others_are() -> None:
    """Random texts near a timestamp: the same moment and offset, or the same error, either way."""
    rng = random.Random(14)
    for _ in range(budget(2000, 100_000)):
        text = rng.choice(SEEDS)
        for _ in range(rng.randint(0, 2)):
            place = rng.randrange(len(text) + 1)
            new = rng.choice("0123456789-:TZtz.,+ \n\u0663")
            text = text[:place] + new + text[place + rng.randint(0, 1) :]
        for from_json in (False, True):
            expected = read(CAREFUL, text, from_json=from_json)
            assert read(BOTH, text, from_json=from_json) == expected, text
    assert BOTH.json_schema() == CAREFUL.json_schema()


BODY = b"""{"id":"e","type":"transfer.created","occurred_at":"2026-11-27T10:00:00Z","data":{"id":5,
"title":"t","created_at":"2026-11-27T10:00:00Z"}}"""


def test_a_copied_event_keeps_what_it_was_made_of() -> None:
    """Copies, pickles and updates have the raw bytes and the issues, and are equal if they are."""
    event = parse(BODY)
    assert event.issues
    made = [copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))]
    for each in (*made, event.model_copy(update={"id": "f"})):
        assert (each.raw, each.issues) == (event.raw, event.issues)
    assert made == [event] * 3
    assert event != parse(BODY + b" ")
    by_hand = type(event).model_construct(id="e", type="transfer.created", data=None)
    assert (by_hand.raw, by_hand.issues) == (b"", ())
    assert by_hand != event


def test_a_moment_is_worth_what_python_makes_of_it() -> None:
    """It compares, subtracts and hashes like a datetime of the standard library's."""
    moment = BOTH.validate_json(b'"2026-11-27T10:00:00Z"')
    same = datetime(2026, 11, 27, 10, tzinfo=UTC)
    assert (moment, hash(moment), moment - same) == (same, hash(same), same - same)
    assert pickle.loads(pickle.dumps(moment)) == copy.deepcopy(moment) == same
    assert moment.astimezone(UTC).tzinfo is UTC
