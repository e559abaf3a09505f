"""The catalog: the bundled snapshot, and what is said of a malformed one."""

import json
from dataclasses import replace
from importlib import import_module

import pytest

from coffrify_webhooks import events
from coffrify_webhooks_codegen.catalog import CatalogError, load

PAGE = {
    "transfer": [
        *("created", "downloaded", "expired", "deleted", "cloned", "scan_clean", "scan_infected"),
        *("scan_quarantined", "limit_reached", "password_failed", "geo_blocked"),
        *("preview_opened", "email_sent", "e2e_created"),
    ],
    "workspace": [
        *("created", "plan_changed", "payment_succeeded", "payment_failed"),
        *("usage_limit_warning", "usage_limit_reached"),
    ],
    "api_key": ["created", "revoked", "rotated", "expired", "suspicious_usage"],
    "webhook": ["delivery_failed_final", "endpoint_disabled"],
    "scim": ["user_provisioned", "user_deprovisioned"],
    "saml": ["login_succeeded", "login_failed"],
}
NAMED = [f"{prefix}.{name}" for prefix, names in PAGE.items() for name in names]
CATALOG = load()


def entry(**changes):
    return {"type": "transfer.created", "family": "transfer", "schema": {}} | changes


def test_the_snapshot_has_the_types_of_the_page():
    """The snapshot has the 31 types that the page names, one from a mirror, and the test event."""
    assert len(NAMED) == 31
    types = [event.type for event in CATALOG.events]
    assert len(types) == 33
    assert set(types) == {*NAMED, "transfer.scanned", "ping"}


def test_families_are_those_of_the_page():
    """Families are those of the page; ping is in one of its own."""
    identity = {"scim", "saml"}
    for event in CATALOG.events:
        prefix = event.type.partition(".")[0]
        expected = "identity" if prefix in identity else "test" if prefix == "ping" else prefix
        assert event.family == expected


def test_badges_and_plans_are_those_of_public_sources():
    """Badges, stability and plans are those of the public sources."""
    by = {event.type: event for event in CATALOG.events}
    signal = {name for name, event in by.items() if event.badges}
    assert signal == {"transfer.downloaded", "transfer.scan_clean", "transfer.e2e_created"}
    assert {event.badges for event in by.values()} == {(), ("signal",)}
    beta = {name for name, event in by.items() if event.stability == "beta"}
    assert beta == {"transfer.preview_opened", "api_key.suspicious_usage"}
    assert {event.stability for event in by.values()} == {"stable", "beta"}
    pro = {name for name, event in by.items() if event.required_plan}
    assert pro == {"transfer.scan_clean", "transfer.scan_infected"}


def test_the_snapshot_says_that_it_is_a_reading():
    """The snapshot says that it is a reading of public sources."""
    assert "reading of public sources" in CATALOG.note


@pytest.mark.parametrize("event", CATALOG.events, ids=lambda event: event.type)
def test_every_example_fits_its_class_and_comes_back(event):
    """Every example fits its class and comes back as it was; so does its description."""
    module, name = events.EVENTS[event.type]
    event_class = getattr(import_module(f"coffrify_webhooks.events.{module}"), name)
    found = event_class.model_validate_json(json.dumps(event.example))
    assert type(found) is event_class
    assert found.issues == ()
    assert not found.model_extra
    assert not getattr(found.data, "model_extra", None)
    sent = json.dumps(event.example, sort_keys=True)
    dumped = found.model_dump(mode="json", exclude_unset=True)
    assert json.dumps(dumped, sort_keys=True) == sent.replace(".000Z", "Z")
    assert event.description.endswith(".")


def test_every_example_has_an_id_of_its_own():
    """Every example has an id of its own."""
    ids = [(event.example or {})["id"] for event in CATALOG.events]
    assert len(set(ids)) == len(ids)
    assert all(identifier.startswith("evt_") for identifier in ids)


def test_schema_and_example_are_found_under_each_name():
    """The schema and the example are found under each name the vendor may use."""
    for schema in ("schema", "json_schema", "payload_schema"):
        for example in ("example", "sample"):
            given = {"type": "a.b", schema: {"type": "object"}, example: {"type": "a.b"}}
            (event,) = load({"data": [given]}).events
            assert event.schema == {"type": "object"}
            assert event.example == {"type": "a.b"}


def test_a_type_alone_is_an_entry():
    """A type alone is enough: anything is its data."""
    (event,) = load({"data": [{"type": "a.b"}]}).events
    assert (event.family, event.stability, event.schema) == ("a", "stable", True)
    assert load({"data": [{"type": "a.b", "stability": "alpha"}]}).events[0].stability == "beta"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the catalog: the document should be an object, found a list"),
        ({}, "the catalog: /data should be a list of events, found nothing"),
        ({"data": None}, "the catalog: /data should be a list of events, found null"),
        ({"data": {}}, "the catalog: /data"),
        ({"data": ["x"]}, "an event: /data/0"),
        ({"data": [{"family": "x"}]}, "an event: /data/0/type"),
        ({"data": [{"type": 7}]}, "an event: /data/0/type"),
        ({"data": [{"type": ""}]}, "an event: /data/0/type"),
        ({"data": [{"type": "a\nb"}]}, "an event: /data/0/type"),
        ({"data": [{"type": "\ud800"}]}, "an event: /data/0/type"),
        ({"data": [entry(), entry()]}, "transfer.created: listed twice, at /data/0 and /data/1"),
        ({"data": [entry(schema="x")]}, "transfer.created: /data/0/schema"),
        ({"data": [entry(schema=1.5)]}, "transfer.created: /data/0/schema"),
    ],
)
def test_an_error_names_the_event_and_the_place(tmp_path, document, said):
    """An error names the event and the place."""
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CatalogError) as caught:
        load(path)
    assert str(caught.value).startswith(said)


LONG = "x" * 10**6


def deep(levels):
    schema: dict[str, object] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"data": [{"type": LONG}]}, "an event: /data/0/type should be printable text of 1 to 200"),
        ({"data": [entry(schema=LONG)]}, "transfer.created: /data/0/schema should be an object"),
        ({"data": [entry(schema=[LONG])]}, "transfer.created: /data/0/schema should be an object"),
        ({"data": [entry(schema=10**4000)]}, "transfer.created: /data/0/schema"),
        ({"data": [entry(), {"type": {"a": LONG}}]}, "an event: /data/1/type"),
        ({"data": {"a": LONG}}, "the catalog: /data should be a list"),
        ({"data": [entry(json_schema=deep(600), schema=None)]}, "transfer.created: /data/0/json"),
    ],
    ids=range(7),
)
def test_an_error_is_short_however_long_what_was_found(tmp_path, document, said):
    """However long or deep what was found is, the error is short, and begins with the place."""
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CatalogError) as caught:
        load(path)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_an_example_without_a_type_is_the_data_alone():
    """An example without a type is taken for the data alone."""
    (event,) = load({"data": [{"type": "a.b", "example": {"id": "x"}}]}).events
    assert event.example == {"type": "a.b", "data": {"id": "x"}}


def test_four_hundred_levels_are_read():
    """Four hundred levels are fine: as many as 200 objects, one inside the other."""
    assert load({"data": [entry(schema=deep(400))]}).events[0].schema == deep(400)


def event(**keys):
    return load({"data": [{"type": "a.b", **keys}]}).events[0]


@pytest.mark.parametrize(
    "key", ["family", "stability", "required_plan", "description", "badges", "example", "sample"]
)
@pytest.mark.parametrize("value", [7, {"a": 1}, ["x", 1], True])
def test_malformed_decoration_is_ignored_and_its_event_stays(key, value):
    """What no class is made of is ignored where it is malformed, and its event stays."""
    expected = {"stability": event().stability}
    if key in {"example", "sample"} and isinstance(value, dict):
        expected = {"example": {"type": "a.b", "data": value}}
    if key == "badges" and isinstance(value, list):
        expected = {"badges": ("x",)}
    assert event(**{key: value}) == replace(event(), **expected)


def test_example_of_another_type():
    """An example that is another event's is none."""
    assert event(example={"type": "c.d"}).example is None


DEEP = "[" * 10**5 + "]" * 10**5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{{"type": "a.b", "schema": {{"x": {DEEP}}}}}', "a.b: /data/1/schema/x/0/0/"),
        (f'{{"type": "a.b", "schema": {{"x": "\\"]", "y": {DEEP}}}}}',
         "a.b: /data/1/schema/y/0/0/"),
        (f'{{"type": {DEEP}, "schema": {{}}}}', "an event: /data/1/type/0/0/"),
        (f'{{"type": "a.b", "schema": {{"maximum": {"9" * 5000}}}}}',
         "a.b: /data/1/schema/maximum is a number of 5000 digits"),
        (f'{{"type": {"9" * 5000}}}', "an event: /data/1/type is a number of 5000 digits"),
        ('{"type": "a.b", "schema": {"a/b": {"x": 1, "y": 2, "x": 3}}}',
         'a.b: /data/1/schema/a~1b has the key "x" twice'),
        ('{"type": "a.b", "type": "a.b"}', 'a.b: /data/1 has the key "type" twice'),
        (f'{{"type": "a.b"}}], "note": {"9" * 5000}, "x": [1',
         "the catalog: /note is a number of 5000 digits"),
        ('{"type": "a.b"}], "note": "a", "note": "b", "x": [1',
         'the catalog: the document has the key "note" twice'),
    ],
    ids=["deep", "deep after text", "deep type", "digits", "digits as type", "keys", "type twice",
         "digits elsewhere", "keys of the document"],
)  # fmt: skip
def test_what_nobody_can_use_is_told_with_its_event(tmp_path, text, said):
    """What JSON allows and nobody can use is told with the event it is in, in our own words."""
    path = tmp_path / "catalog.json"
    path.write_text(f'{{"data": [{{"type": "z"}}, {text}]}}')
    with pytest.raises(CatalogError) as caught:
        load(path)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 200


def test_place_of_a_schema():
    """The pointer to a schema has the key that the catalog uses."""
    catalog = load({"data": [{"type": "a.b"}, {"type": "c.d", "json_schema": {}}]})
    assert [catalog.place(name) for name in ("a.b", "c.d")] == [
        "/data/0/schema",
        "/data/1/json_schema",
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000])
def test_what_is_not_json_is_a_catalog_error(tmp_path, content):
    """What is not JSON is a CatalogError too."""
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"not valid JSON: (line|byte) \d+"):
        load(path)


def test_a_missing_file_is_a_catalog_error(tmp_path):
    """A file that is not there is a CatalogError too."""
    with pytest.raises(CatalogError, match="No such file"):
        load(tmp_path / "none.json")
