"""Descriptions: what the catalog says of a field is where people and programs look for it."""

import subprocess
import sys
from typing import Any

import pytest
from tests.codegen.test_attribute_names import TEXT, made, record

from coffrify_webhooks import events
from coffrify_webhooks.event import Event

WORDS = 'How many, in "bytes" \\ and more.'


def test_field_descriptions_reach_the_json_schema():
    """The bundled classes describe their fields, and the envelope what is common to all."""
    schema = events.TransferCreated.model_json_schema()
    assert schema["$defs"]["File"]["properties"]["size"]["description"] == "The size in bytes."
    assert schema["properties"]["id"]["description"].startswith("Identifies the event")
    assert "description" not in schema["$defs"]["File"]["properties"]["name"]
    assert Event.model_json_schema()["properties"]["type"]["description"].startswith("The name")


@pytest.mark.parametrize("by_alias", [True, False])
def test_descriptions_of_all_kinds_of_fields(tmp_path, monkeypatch, by_alias):
    """Renamed, required, of a class, of a list of them: each says what the catalog says."""
    inner = {**record(v=TEXT), "description": "The class."}
    kinds: dict[str, dict[str, Any]] = {
        "a-b": TEXT,
        "str": TEXT,
        "needed": {"type": "integer"},
        "of_class": {"$ref": "#/$defs/Inner"},
        "list": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        "either": {"anyOf": [{"$ref": "#/$defs/Inner"}, TEXT]},
        "any": {},
    }
    schema = record(**{name: {**kind, "description": WORDS} for name, kind in kinds.items()})
    (event,) = made(
        tmp_path / "events",
        monkeypatch,
        {**schema, "required": ["needed", "of_class"], "$defs": {"Inner": inner}},
    )
    found = event.model_json_schema(by_alias=by_alias)["$defs"]["T0Data"]["properties"]
    assert {*found} == ({*kinds} if by_alias else {*kinds, "a_b"} - {"a-b"})
    assert {each["description"] for each in found.values()} == {"How many, in 'bytes' / and more."}


def test_without_its_source_a_class_still_has_a_schema():
    """A class made at run time has no source to read; its schema has no descriptions."""
    made_up: Any = type("MadeUp", (Event,), {"__module__": "nowhere"}, frozen=True)
    assert "id" in made_up.model_json_schema()["properties"]


def test_importing_events_reads_no_source():
    """Descriptions cost nothing until a schema is asked for."""
    code = (
        "import sys; from coffrify_webhooks.events import TransferCreated as T\n"
        "T.model_validate({'type': 'transfer.created', 'data': {'id': 'x'}})\n"
        "assert 'coffrify_webhooks.event.descriptions' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
