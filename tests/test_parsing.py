"""Bytes to events that bend and do not break."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from coffrify_webhooks import Event, Issue, PayloadError, UnknownEvent, parse
from coffrify_webhooks.event import Timestamp
from coffrify_webhooks.events import (
    EVENTS,
    ApiKeyCreated,
    Ping,
    TransferCreated,
    TransferScanned,
    WebhookEndpointDisabled,
)
from coffrify_webhooks.parsing.registry import Registry, bundled

T = TypeVar("T", bound=Event)

TRANSFER: dict[str, Any] = {
    "id": "tr_1",
    "created_at": "2026-05-14T09:30:00Z",
    "total_downloads": 3,
    "watermark_enabled": False,
    "status": "active",
    "transfer_title": "caf\u00e9 \u2603",
    "files": [{"id": "f_1", "name": "a.txt", "size": 12}, {"id": "f_2"}],
}


def body(**fields: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": "transfer.created", **fields}).encode()


def event(kind: type[T], data: bytes, **options: Any) -> T:
    """The parsed event, which must be of this very class."""
    found = parse(data, **options)
    assert type(found) is kind
    return found


def issues(found: Event) -> list[tuple[str, str]]:
    return [tuple(issue) for issue in found.issues]  # type: ignore[misc]


def in_fresh_thread(work: Callable[[], T]) -> T:
    """What depends on how deep the stack already is gets an empty one."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def test_a_known_type_is_typed() -> None:
    """An event that fits its class is that class, its fields converted."""
    found = event(TransferCreated, body(data=TRANSFER))
    assert (found.id, found.type, found.issues) == ("evt_1", "transfer.created", ())
    assert found.data.created_at == datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
    assert found.data.files is not None
    assert [(each.id, each.size) for each in found.data.files] == [("f_1", 12), ("f_2", None)]
    assert found.data.notes is None


@pytest.mark.parametrize("name", EVENTS)
def test_every_type_of_the_catalog_parses(name: str) -> None:
    """Each known type gives its own class, with data that fits and with data that does not."""
    kind = bundled.get(name)
    assert kind is not None
    several: tuple[Any, ...] = ({"id": "x"}, None, 5, [], {}, {"cls": 1})
    for data in several:
        found = parse(json.dumps({"id": "evt_1", "type": name, "data": data}).encode())
        assert type(found) is kind
        assert found.type == name


def test_an_unknown_type_is_an_unknown_event() -> None:
    """A type that no class stands for keeps its data as plain JSON, without an issue."""
    found = event(UnknownEvent, body(type="transfer.teleported", data={"a": [1]}, extra=1))
    assert (found.type, found.id, found.data) == ("transfer.teleported", "evt_1", {"a": [1]})
    assert found.issues == ()
    assert found.model_extra == {"extra": 1}


def test_an_event_of_the_status_page() -> None:
    """What has neither id nor data, like incident.opened, is an event all the same."""
    found = event(UnknownEvent, b'{"type":"incident.opened","ts":"1","incident":{"id":"i"}}')
    assert (found.id, found.data, found.issues) == (None, None, ())
    assert found.model_extra == {"ts": "1", "incident": {"id": "i"}}


def test_unknown_fields_are_kept() -> None:
    """Fields that the classes do not know yet stay, at every level, and are no issue."""
    data: dict[str, Any] = {**TRANSFER, "new": {"a": 1}, "files": [{"id": "f", "sha256": "00"}]}
    found = event(TransferCreated, body(data=data, livemode=True), strict=True)
    assert found.model_extra == {"livemode": True}
    assert found.data.model_extra == {"new": {"a": 1}}
    assert found.data.files is not None
    assert found.data.files[0].model_extra == {"sha256": "00"}
    assert found.issues == ()


def test_a_new_enum_member_is_accepted() -> None:
    """A value that the catalog does not list yet is no issue, even in strict mode."""
    found = event(TransferCreated, body(data={**TRANSFER, "status": "frozen"}), strict=True)
    assert (found.data.status, found.issues) == ("frozen", ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, [("data.id", "missing")]),
        ({"id": None}, [("data.id", "string_type")]),
        ({"id": 7}, [("data.id", "string_type")]),
        ({"id": "a", "total_downloads": "many"}, [("data.total_downloads", "int_type")]),
        ({"id": "a", "total_downloads": "5"}, [("data.total_downloads", "int_type")]),
        ({"id": "a", "total_downloads": True}, [("data.total_downloads", "int_type")]),
        ({"id": "a", "total_downloads": 5.5}, [("data.total_downloads", "int_type")]),
        ({"id": "a", "watermark_enabled": 1}, [("data.watermark_enabled", "bool_type")]),
        ({"id": "a", "created_at": "4242"}, [("data.created_at", "value_error")]),
        ({"id": "a", "created_at": 1e9}, [("data.created_at", "value_error")]),
        ({"id": "a", "files": {}}, [("data.files", "list_type")]),
        ({"id": "a", "files": [{}]}, [("data.files.0.id", "missing")]),
        ({"id": "a", "files": [{"id": "f", "size": []}, 5]},
         [("data.files.0.size", "int_type"), ("data.files.1", "model_type")]),
        ({"id": "a", "files": [None]}, [("data.files.0", "model_type")]),
        ([], [("data", "model_type")]),
        (None, [("data", "model_type")]),
        ("text", [("data", "model_type")]),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fit_is_salvaged(data: Any, expected: list[tuple[str, str]]) -> None:
    """What fits is typed, the rest stays as it came, and each misfit is listed; strict refuses."""
    found = event(TransferCreated, body(data=data))
    assert issues(found) == expected
    assert all(isinstance(issue, Issue) for issue in found.issues)
    assert found.id == "evt_1"
    with pytest.raises(PayloadError, match="does not fit TransferCreated"):
        parse(body(data=data), strict=True)


def test_an_integer_may_be_written_with_a_fraction_of_zero() -> None:
    """JSON schema calls 5.0 an integer, so it is one, at every depth, and no issue."""
    data: dict[str, Any] = {**TRANSFER, "total_downloads": 5.0, "files": [{"id": "f", "size": 2e3}]}
    found = event(TransferCreated, body(data=data), strict=True)
    assert found.data.files is not None
    assert repr((found.data.total_downloads, found.data.files[0].size)) == "(5, 2000)"
    assert found.issues == ()


def test_a_salvaged_event_keeps_the_good_fields() -> None:
    """One bad field costs its siblings nothing: they are typed, and unknown ones are kept."""
    data: dict[str, Any] = {**TRANSFER, "max_downloads": "none", "new": 1}
    data["files"] = [{"id": "f", "size": "big", "odd": 1}, {"id": "g", "size": 2}]
    found = event(TransferCreated, body(data=data, cls="x"))
    assert issues(found) == [
        ("data.files.0.size", "int_type"),
        ("data.max_downloads", "int_type"),
    ]
    transfer = found.data
    assert transfer.created_at == datetime(2026, 5, 14, 9, 30, tzinfo=UTC)
    assert transfer.transfer_title == "caf\u00e9 \u2603"
    assert transfer.max_downloads == "none"  # type: ignore[comparison-overlap]
    assert transfer.notes is None
    assert transfer.files is not None
    assert [each.size for each in transfer.files] == ["big", 2]
    assert transfer.files[0].model_extra == {"odd": 1}
    assert (transfer.model_extra, found.model_extra) == ({"new": 1}, {"cls": "x"})


def test_a_missing_data() -> None:
    """Without `data` the event is there, its data None, and listed."""
    found = event(TransferCreated, b'{"id":"evt_1","type":"transfer.created"}')
    assert issues(found) == [("data", "missing")]
    assert found.data is None
    assert event(Ping, b'{"type":"ping"}').issues == ()


def test_nested_models_are_salvaged() -> None:
    """Optional nested objects and lists of texts are salvaged item by item."""
    data: dict[str, Any] = {"id": "w", "events": ["ping", 5], "retry_policy": {"max_attempts": "x"}}
    found = event(WebhookEndpointDisabled, body(type="webhook.endpoint_disabled", data=data))
    assert issues(found) == [
        ("data.events.1", "string_type"),
        ("data.retry_policy.max_attempts", "int_type"),
    ]
    assert found.data.events == ["ping", 5]
    key = event(ApiKeyCreated, body(type="api_key.created", data={"id": "k", "scopes": "all"}))
    scopes: Any = key.data.scopes
    assert (scopes, issues(key)) == ("all", [("data.scopes", "list_type")])


@pytest.mark.parametrize("id_", [5, 1.5, True, [], {}, ["evt_1"]], ids=repr)
def test_an_id_of_another_type(id_: Any) -> None:
    """An id that is no text is kept as it came, and listed; null and none at all are no issue."""
    for type_ in ("transfer.created", "new.type"):
        found = parse(body(type=type_, id=id_, data={"id": "a"}))
        assert found.id == id_
        assert issues(found) == [("id", "string_type")]
    assert parse(body(id=None, data={"id": "a"})).issues == ()


@pytest.mark.parametrize(
    "name",
    ["cls", "self", "_fields_set", "values", "_raw", "_issues", "raw", "issues", "__class__"],
)
@pytest.mark.parametrize("bad", [False, True], ids=["fits", "salvaged"])
def test_field_names_of_ours_mean_nothing(name: str, *, bad: bool) -> None:
    """A payload's field may be called like an argument or attribute of ours, at each level."""
    data = {"id": 5 if bad else "a", name: [1], "files": [{"id": 5 if bad else "f", name: [2]}]}
    sent = body(data=data, **{name: [3]})
    found = event(TransferCreated, sent)
    assert found.raw == sent
    assert len(found.issues) == (2 if bad else 0)
    assert found.model_extra == {name: [3]}
    assert found.data.model_extra == {name: [1]}
    assert found.data.files is not None
    assert found.data.files[0].model_extra == {name: [2]}


# --- JSON, as others write it -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["\\ud83d", "\\udc00 x", "a\\u0000b", "\\ud83d\\ud83d"])
def test_half_a_character_does_not_lose_the_event(name: str) -> None:
    """A file name with half a character in it does not lose the event."""
    sent = f'{{"id":"e","type":"transfer.created","data":{{"id":"a","transfer_title":"{name}"}}}}'
    found = event(TransferCreated, sent.encode())
    assert found.data.transfer_title == json.loads(f'"{name}"')
    assert found.data.id == "a"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_bom_or_another_unicode(encoding: str) -> None:
    """JSON with a byte order mark, or in UTF-16 or 32, reads like UTF-8; raw stays as it came."""
    sent = body(data=TRANSFER).decode().encode(encoding)
    found = event(TransferCreated, sent)
    assert (found.raw, found.issues, found.data.id) == (sent, (), "tr_1")


@pytest.mark.parametrize("levels", [100, 300, 900])
@pytest.mark.parametrize("kind", ["known", "unknown", "list", "issue"])
def test_json_deeper_than_the_fast_parser_takes_is_read(levels: int, kind: str) -> None:
    """Nesting that the standard library reads is read, beyond what the fast parser takes."""
    nested: Any = b"[" * levels + b"]" * levels
    if kind == "list":
        nested = b'{"a":' * levels + b"1" + b"}" * levels
    type_ = b"new.type" if kind == "unknown" else b"transfer.created"
    id_ = b"5" if kind == "issue" else b'"a"'
    sent = b'{"type":"%s","data":{"id":%s,"deep":%s}}' % (type_, id_, nested)
    found: Any = in_fresh_thread(lambda: parse(sent))
    assert isinstance(found, UnknownEvent if kind == "unknown" else TransferCreated)
    assert bool(found.issues) is (kind == "issue")
    data: Any = found.data if kind == "unknown" else found.data.model_extra
    depth, level = 0, data["deep"]
    while level not in ([], 1):
        level = level[0] if isinstance(level, list) else level["a"]
        depth += 1
    assert depth == (levels if kind == "list" else levels - 1)


def test_duplicate_keys_are_read_as_everywhere() -> None:
    """The last of two equal keys counts, whichever parser reads them."""
    twice = (
        b'{"type":"ping","type":"transfer.created","id":"a","id":"b","data":{"id":1,"id":"x"}%s}'
    )
    for rest in (b"", b',"n":"\\ud800"'):
        found = event(TransferCreated, twice % rest)
        assert (found.id, found.data.id, found.type) == ("b", "x", "transfer.created")


@pytest.mark.parametrize(
    "sent",
    [
        b'{"data":{"type":"ping","id":"a"},"type":"transfer.created","id":"e"}',
        b'{"data":{"id":"a","x":{"type" : "transfer.deleted"}},"id":"e","type":"transfer.created"}',
        b'{"data":{"id":"a","note":"\\"type\\":\\"ping\\""},"type":"transfer.created","id":"e"}',
        b'{"id":"e","data":{"id":"a","type":"nonsense"},"type":"transfer.created"}',
        b'{"id":"e","data":{"id":"a"},"\\u0074ype":"transfer.created"}',
        b'{"id":"e","data":{"id":"a"},"type"\n\t: \r\n"transfer.cre\\u0061ted"}',
    ],
    ids=range(6),
)
def test_only_the_top_level_type_counts(sent: bytes) -> None:
    """Another "type" that comes first, or an escaped spelling, does not mislead."""
    found = event(TransferCreated, sent, strict=True)
    assert (found.id, found.data.id, found.type) == ("e", "a", "transfer.created")


@pytest.mark.parametrize(
    "sent",
    [
        *(b"", b" ", b"{", b"null", b"5", b'"type"', b"[]", b'["type"]', b"{}", b"\xff", b"\0"),
        *(b'{"type":null}', b'{"type":5}', b'{"type":["ping"]}', b'{"type":{"type":"ping"}}'),
        *(b'{"Type":"ping"}', b'{"data":{"type":"ping"}}', b'{"type":"ping"', b'{"type":"ping"}}'),
        *(b"{'type':'ping'}", b'{"type":"ping",}', b"type=ping", b'{"type":"ping","a":"\xff"}'),
        *(b"[" * 100_000, b'{"type":"ping","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        b'{"type":"ping","data":{"n":' + b"1" * 100_000 + b"}}",
    ],
    ids=range(26),
)  # fmt: skip
def test_what_is_no_event(sent: bytes) -> None:
    """What is not a JSON object with a string type is a PayloadError that shows nothing of it."""
    for strict in (False, True):
        with pytest.raises(PayloadError) as raised:
            parse(sent, strict=strict)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
        assert str(raised.value).startswith("the body ")


def test_raw_is_the_body_itself() -> None:
    """`raw` holds the bytes that arrived, unchanged, on each way through the parser."""
    for sent in (
        b' {"type" : "ping"}\r\n',
        b'{"type":"x","a":1.50}',
        b'{"type":"ping","id":5}',
        b'{"type":"ping","\\ud800":1}',
    ):
        assert parse(sent).raw is sent


def test_parse_does_not_show_payloads() -> None:
    """The repr of an event holds its id and no content."""
    found = event(TransferCreated, body(data={**TRANSFER, "notes": "private"}))
    assert "evt_1" in repr(found)
    for text in (repr(found), str(found), repr(found.data), repr(found.data.files), f"{found}"):
        assert "private" not in text
        assert "a.txt" not in text
    salvaged = event(TransferCreated, body(data={"notes": ["private"]}))
    assert "private" not in repr(salvaged) + repr(salvaged.data) + repr(salvaged.issues)


@pytest.mark.parametrize(
    "nested",
    [
        b'{"id":"a","files":[' + b",".join([b"1"] * 100_000) + b"]}",
        b'{"id":"a","files":[' + b",".join([b'{"size":"x"}'] * 20_000) + b"]}",
        b'{"id":"a","files":' + b"[" * 150 + b"]" * 150 + b"}",
        b'{"files":' + b'[{"files":' * 70 + b"1" + b"}]" * 70 + b"}",
        b"[" + b",".join([b"{}"] * 100_000) + b"]",
        b"{" + b",".join(b'"f%d":[{}]' % n for n in range(50_000)) + b"}",
    ],
    ids=range(6),
)
def test_salvaging_is_bounded(nested: bytes) -> None:
    """A payload that misfits in 10^5 places is salvaged soon, and lists 100 of them at most."""
    began = time.process_time()
    found = event(TransferCreated, b'{"type":"transfer.created","data":' + nested + b"}")
    assert time.process_time() - began < 3
    assert 0 < len(found.issues) <= 100


def test_past_a_hundred_issues_what_fits_is_still_typed() -> None:
    """The cap is on the list of issues and on what is repaired, not on what is typed."""
    files: list[Any] = [*([5] * 199), {"size": "big"}, {"id": "good"}]
    found = event(TransferCreated, body(data={"id": "a", "files": files, "notes": "n"}))
    kept: Any = found.data.files
    assert kept[:200] == files[:200]
    assert kept[200].id == "good"
    assert (found.data.notes, len(found.issues)) == ("n", 100)


# --- the registry -----------------------------------------------------------------------------


def test_the_registry_knows_the_catalog() -> None:
    """It has the types and families, imports a class once, and knows nothing else."""
    assert len(bundled) == len(EVENTS) == len(list(bundled))
    assert "ping" in bundled
    assert "pong" not in bundled
    assert bundled.get("transfer.scanned") is TransferScanned is bundled.get("transfer.scanned")
    assert bundled.get("pong") is None
    assert bundled.families() == ["api_key", "saml", "scim", "transfer", "webhook", "workspace"]
    assert bundled.nearest("transfer.create")[0] == "transfer.created"
    assert bundled.nearest("transfers.*")[0] == "transfer.*"
    assert bundled.nearest("zzzzzz") == []


def test_parse_takes_another_registry(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes generated into a user's own package are used instead of the bundled ones."""
    package = tmp_path / "own_events"
    package.mkdir()
    (package / "__init__.py").write_text('EVENTS = {"own.thing": ("thing", "OwnThing")}\n')
    (package / "thing.py").write_text(
        "from typing import Literal\n"
        "from coffrify_webhooks import Event\n"
        "class OwnThing(Event, frozen=True):\n"
        '    type: Literal["own.thing"]\n'
        "    data: int\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("own_events")
    found = parse(b'{"type":"own.thing","data":7}', registry=registry)
    assert (type(found).__name__, found.data, found.issues) == ("OwnThing", 7, ())
    assert type(parse(b'{"type":"ping"}', registry=registry)) is UnknownEvent


def test_dumping_a_salvaged_event_says_nothing() -> None:
    """model_dump and model_dump_json of a salvaged event quote no payload in a warning."""
    event = parse(b'{"type":"transfer.created","data":{"id":"tr_1","files":[{"id":5}]}}')
    assert event.issues
    assert event.model_dump()["data"]["files"] == [{"id": 5, **dict.fromkeys(NO_VALUES)}]
    assert b'"id":5' in event.model_dump_json().encode()
    assert event.data.model_dump()["id"] == "tr_1"


NO_VALUES = ("mime_type", "name", "size", "transfer_id")


def test_other_raw_bytes_are_bytes() -> None:
    """A bytearray or memoryview is read, and kept as bytes; text is refused."""
    for body in (bytearray(b'{"type":"ping"}'), memoryview(b'{"type":"ping"}')):
        assert type(parse(body).raw) is bytes  # type: ignore[arg-type]
    with pytest.raises(PayloadError, match="str"):
        parse('{"type":"ping"}')  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(0, 19), st.sampled_from("0123459TtZz:-+. ,W\u0661")), max_size=3)
)
def test_the_usual_form_of_a_time_is_read_like_any_other(changes: list[tuple[int, str]]) -> None:
    """The short way gives what the long one gives, which a small `t` takes, or refuses it too."""
    text = list("2026-01-31T12:34:56Z")
    for place, character in changes:
        text[place] = character
    read = TypeAdapter(Timestamp).validate_python
    answers: list[Any] = []
    for letter in ("T", "t") if text[10] in "Tt" else (text[10],):
        text[10] = letter
        try:
            answers.append(read("".join(text)))
        except ValidationError:
            answers.append(None)
    assert len(set(answers)) == 1
