"""What a signed body may cost, whatever its class is like, and what is told of it."""

import gc
import json
import logging
import os
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Annotated, Any, Literal
from unittest.mock import patch

import pytest
from pydantic import Field

from coffrify_webhooks import Issues, PayloadError, Receiver, Router, UnknownEvent, parse, sign
from coffrify_webhooks.event import Event, EventModel, LooseModel, Timestamp, Uuid, count_issues
from coffrify_webhooks.event.dumping import _dump_deep
from coffrify_webhooks.events import TransferCreated
from coffrify_webhooks.parsing.bounds import bounds_of
from coffrify_webhooks.parsing.collection import uncollected
from coffrify_webhooks.parsing.leaves import Leaf
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks.parsing.salvage import salvage
from coffrify_webhooks.parsing.walk import Walk

SIZE = 300_000
"""Bytes of a body; what is asserted grows with it."""
SECRET = "whsec_" + "5a" * 32


class Ten(EventModel, frozen=True):
    a: int
    b: int
    c: str
    d: str
    e: bool
    f: bool
    g: Timestamp
    h: str
    i: list[int]
    j: dict[str, int]


class Left(EventModel, frozen=True):
    kind: Literal["left"]
    x: int
    y: list[int]


class Right(EventModel, frozen=True):
    kind: Literal["right"]
    x: int
    y: list[str]


class Other(EventModel, frozen=True):
    x: int
    y: list[bool]


class Node(EventModel, frozen=True):
    child: "Node | None" = None
    value: int


class Fork(EventModel, frozen=True):
    child: "Fork | Knife | None" = None
    value: int


class Knife(EventModel, frozen=True):
    child: "Fork | Knife | None" = None
    value: str


class Slots(EventModel, frozen=True):
    a: int | None = None
    b: str | None = None
    c: Timestamp | None = None


class Data(EventModel, frozen=True):
    tens: list[Ten] | None = None
    union: list[Left | Right | Other] | None = None
    maps: dict[str, Ten] | None = None
    node: Node | None = None
    fork: Fork | Knife | None = None
    slots: list[Slots] | None = None
    times: list[Timestamp] | None = None
    name: str | None = None


class Own(Event, frozen=True):
    type: Literal["own"]
    data: Data


class Wide(EventModel, frozen=True):
    """Of pydantic's errors for missing keys each would hold a copy of the list."""

    __annotations__ = {**{f"f{n}": int for n in range(100)}, "texts": list[list[int]]}


class Narrow(EventModel, frozen=True):
    key: int


class Wides(EventModel, frozen=True):
    one: Wide | None = None
    many: list[list[Wide]] | None = None
    renamed: Annotated[list[Wide] | None, Field(alias="re named")] = None


class Wanting(Event, frozen=True):
    type: Literal["wanting"]
    data: Wides


class Choosing(Event, frozen=True):
    type: Literal["choosing"]
    data: Wide | Narrow


class Classes(Registry):
    def __init__(self) -> None:
        super().__init__("coffrify_webhooks.events")
        self._classes |= {"own": Own, "wanting": Wanting, "choosing": Choosing}


REGISTRY = Classes()


def own(field: str, value: bytes) -> bytes:
    return b'{"type":"own","id":"e","data":{"name":"n","%s":%s}}' % (field.encode(), value)


def listed(item: bytes, room: int = SIZE - 100) -> bytes:
    return b"[" + b",".join([item] * (room // (len(item) + 1))) + b"]"


def nested(levels: int, inside: bytes, rest: bytes = b"") -> bytes:
    return b'{"child":' * levels + inside + (rest + b"}") * levels


def wanting(field: str, before: bytes = b"", after: bytes = b"", kept: bytes = b"") -> bytes:
    value = before + b'{%s"texts":%s}' % (kept, listed(b"[1]", SIZE - 3000)) + after
    return b'{"type":"wanting","data":{"%s":%s}}' % (field.encode(), value)


CASES = {
    "missing keys": wanting("one"),
    "missing keys in a list": wanting("many", b"[[", b"]]"),
    "missing keys of an alternative": b'{"type":"choosing","data":{"texts":%s}}'
    % listed(b"[1]", SIZE - 3000),
    "missing keys of a renamed field": wanting("re named", b"[", b"]"),
    "objects of ten required fields": own("tens", listed(b"{}")),
    "numbers for objects": own("tens", listed(b"1")),
    "texts for objects": own("tens", listed(b'""')),
    "a union of three": own("union", listed(b"{}")),
    "a union of three that fits": own("union", listed(b'{"kind":"right","x":1,"y":["a"]}')),
    "an object of objects": own(
        "maps", b"{%s}" % b",".join(b'"%06x":{}' % n for n in range(SIZE // 12))
    ),
    "times": own("times", listed(b'""')),
    "small objects that fit": own("slots", listed(b"{}")),
    "files": b'{"type":"transfer.created","data":{"id":"x","files":%s}}' % listed(b"1"),
    "a chain": own("node", nested(480, b"{}")),
    "a chain of a union": own("fork", nested(480, b'{"value":1}', b',"value":1')),
    "a long key": own("maps", b'{"%s":{"i":%s}}' % (b"k" * (SIZE - 50_000), listed(b'""', 40_000))),
}


@pytest.fixture(params=CASES)
def body(request: pytest.FixtureRequest) -> bytes:
    parse(own("name", b'"n"'), registry=REGISTRY)  # the plan is compiled once
    return CASES[request.param]


def steps_of(body: bytes) -> int:
    """Count the looks of a walk, and those of pydantic, at a part of a body."""
    count = 0
    enter, spend = Walk.enter, Walk.spend

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(self: Walk, *given: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            return call(self, *given, **named)

        return counting

    with patch.object(Walk, "enter", counted(enter)), patch.object(Walk, "spend", counted(spend)):
        salvage(REGISTRY.get(json.loads(body)["type"]) or UnknownEvent, json.loads(body))
    return count


def test_memory_of_any_signed_body_is_bounded(body: bytes) -> None:
    """Each is an event of its class, with what fits, at 100 MB for a body of 1 MiB."""
    tracemalloc.start()
    try:
        found = parse(body, registry=REGISTRY)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(found, (Own, TransferCreated, Wanting, Choosing))
    assert found.raw == body
    assert peak < 8_000_000 + 90 * len(body)
    assert len(found.issues) <= 100
    assert all(len(issue.path) < 1200 for issue in found.issues)


def test_looks_at_any_signed_body_are_bounded(body: bytes) -> None:
    """No part is looked at more than a few times: fewer looks than the body has bytes."""
    assert steps_of(body) < 2 * len(body)


def test_chains_are_not_validated_anew_at_each_level() -> None:
    """Twice as deep costs at most twice as much."""
    once, twice = (steps_of(own("node", nested(n, b"{}"))) for n in (200, 400))
    assert twice <= 2.2 * once + 100
    assert steps_of(own("fork", nested(400, b'{"value":1}', b',"value":1'))) < 20_000


def test_pydantic_sees_no_whole_body_of_an_endless_class() -> None:
    """A union that holds itself doubles at each level: 30 levels would take minutes."""
    assert bounds_of(Own).largest == 0
    assert bounds_of(TransferCreated).largest is None
    found = parse(own("fork", nested(30, b'{"value":""}', b',"value":1')), registry=REGISTRY)
    assert isinstance(found, Own)
    assert isinstance(found.data.fork, Fork)
    assert found.issues == ()


class Loose(LooseModel, frozen=True):
    a: str | None = None


class Cheap(EventModel, frozen=True):
    times: list[Timestamp] | None = None
    ids: dict[str, Uuid] | None = None
    loose: list[Loose] | None = None
    either: list[Timestamp | int] | None = None


class Many(EventModel, frozen=True):
    either: list[int] | list[bool] | Slots | str | int | None = None
    each: dict[str, Slots | str | int] | None = None


class Costly(Event, frozen=True):
    type: Literal["costly"]
    data: Cheap


class Arms(Event, frozen=True):
    type: Literal["arms"]
    data: Many


@pytest.mark.parametrize("field", ["times", "ids", "loose", "either"])
def test_pydantic_sees_no_whole_body_that_calls_too_many_functions(field: str) -> None:
    """A function of Python's for each few bytes is too much; in a few hundred bytes it is not."""
    item = b'"%s"' % (b"2026-01-01T00:00:00Z" if field != "loose" else b"")
    for room, allowed in ((300, True), (SIZE, False)):
        value = listed(item if field != "loose" else b"{}", room - 100)
        if field == "ids":
            value = b"{%s}" % b",".join(b'"%x":""' % n for n in range(room // 12))
        body = b'{"type":"costly","data":{"%s":%s}}' % (field.encode(), value)
        assert bounds_of(Costly).allow(body) is allowed


def test_pydantic_sees_no_whole_body_of_many_alternatives() -> None:
    """The error of each alternative would hold a copy of a list that is all of the body."""
    largest = bounds_of(Arms).largest
    assert largest is not None
    assert largest <= 4096


def test_pydantic_lists_few_errors_for_a_small_body() -> None:
    """Each of hundreds of members would have an error of each alternative; a few may."""
    for members, allowed in ((5, True), (150, False)):
        value = b",".join(b'"%x":{}' % n for n in range(members))
        body = b'{"type":"arms","data":{"each":{%s}}}' % value
        assert bounds_of(Arms).allow(body) is allowed
    assert bounds_of(TransferCreated).allow(listed(b'{"id":1}', 4000))


def test_pydantic_sees_a_large_body_whose_keys_are_there() -> None:
    """As few bytes need no look at their keys, and a class that asks for few keys."""
    keys = b",".join(b'"f%d":1' % n for n in range(100)) + b","
    bounds = bounds_of(Wanting)
    assert bounds.asks_for_keys(wanting("one"))
    assert not bounds.asks_for_keys(b"{}" * 100)
    assert not bounds_of(TransferCreated).asks_for_keys(b"{}" * SIZE)
    for given, fits in ((keys, True), (b"", False)):
        body = wanting("many", b"[[", b"]]", given)
        with patch("coffrify_webhooks.parsing.parse.salvage", wraps=salvage) as salvaged:
            found = parse(body, registry=REGISTRY)
        assert salvaged.called is not fits
        assert (found.issues == ()) is fits


def test_the_least_files_that_fit_are_all_typed() -> None:
    """A body of the largest size that fits its class has no issues, though it is all objects."""
    files = listed(b'{"id":""}', 1_048_000)
    found = parse(b'{"type":"transfer.created","data":{"id":"x","files":%s}}' % files)
    assert isinstance(found, TransferCreated)
    assert found.issues == ()
    assert found.data.files is not None
    assert len(found.data.files) > 100_000


# --- the collector ------------------------------------------------------------------------------


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether the collector was on at each look for a class, which parsing begins with."""
    seen: list[bool] = []
    get = Registry.get

    def looking(self: Registry, event_type: str) -> Any:
        seen.append(gc.isenabled())
        return get(self, event_type)

    monkeypatch.setattr(Registry, "get", looking)
    was = gc.isenabled()
    yield seen
    (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_rests_while_a_large_body_is_parsed(
    collector: list[bool], *, was_on: bool
) -> None:
    """It is as before afterwards, also after an error; a small body does not stop it."""
    (gc.enable if was_on else gc.disable)()
    for body in (CASES["files"], b'{"type":"ping"}', CASES["files"][:-1]):
        collector.clear()
        with suppress(PayloadError):
            parse(body)
        assert set(collector) == ({was_on} if len(body) < 100 else {False})
        assert gc.isenabled() is was_on


def test_the_collector_goes_on_when_the_last_thread_is_done() -> None:
    """Threads that overlap, in any order, leave it as the first of them found it."""
    gc.enable()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(parse, [CASES["files"]] * 12))
    assert gc.isenabled()
    with uncollected:
        with uncollected:
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_the_collector_is_on_in_a_child_that_was_forked_meanwhile() -> None:
    """The thread that would turn it on again is not in the child."""
    gc.enable()
    with uncollected:
        child = os.fork()
        if not child:
            os._exit(0 if gc.isenabled() else 1)
        assert not gc.isenabled()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- what is told ---------------------------------------------------------------------------------


def test_issues_count_what_they_do_not_list() -> None:
    """The first hundred are listed, and the rest are counted; copies keep the count."""
    body = b'{"type":"transfer.created","data":{"id":"x","files":%s}}' % listed(b"1", 2000)
    found = parse(body)
    assert isinstance(found.issues, Issues)
    assert (len(found.issues), found.issues.more) == (100, 900)
    assert found.issues[0] == ("data.files.0", "model_type")
    assert found.model_copy(update={"id": "x"}).issues.more == 900
    assert parse(b'{"type":"ping"}').issues.more == 0
    with pytest.raises(PayloadError, match="in 1000 place"):
        parse(body, strict=True)


def test_issues_are_named_when_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What handles an event needs to know how many there are; that costs no names and paths."""
    named: list[object] = []
    problem = Leaf.problem

    def naming(plan: Leaf, value: Any) -> str:
        named.append(value)
        return problem(plan, value)

    monkeypatch.setattr(Leaf, "problem", naming)
    found = parse(b'{"type":"transfer.created","data":{"id":1,"transfer_title":2}}')
    assert count_issues(found) == 2
    assert named == []
    assert [each.path for each in found.issues] == ["data.id", "data.transfer_title"]
    assert found.issues is found.issues
    assert len(named) == 2
    assert count_issues(found) == 2
    again = parse(found.raw)
    assert pickle.loads(pickle.dumps(again)).issues == again.model_copy().issues == found.issues


def test_what_is_not_checked_is_said() -> None:
    """Where the steps end, what is left is kept as it came, and counted."""
    found = parse(CASES["small objects that fit"], registry=REGISTRY)
    assert isinstance(found, Own)
    slots: Any = found.data.slots
    assert type(slots[0]) is Slots
    assert slots[-1] == {}
    assert {issue.problem for issue in found.issues} == {"not_checked"}
    assert found.issues.more > 10_000
    assert found.data.name == "n"


@pytest.mark.parametrize("levels", [10, 60, 480])
def test_deep_levels_are_typed_as_far_as_they_are_walked(levels: int) -> None:
    """A chain is typed down to a depth that no real payload has, and kept below it."""
    sent = own("node", nested(levels, b'{"value":"x"}', b',"value":1'))
    found = parse(sent, registry=REGISTRY)
    assert isinstance(found, Own)
    level: Any = found.data.node
    typed = 0
    while isinstance(level, Node):
        level, typed = level.child, typed + 1
    assert typed == levels + 1 if levels < 64 else typed >= 60
    assert len(found.issues) == 1
    assert len(found.issues[0].path) < 200


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"kind": "left", "x": 1, "y": [1]}, Left),
        ({"kind": "right", "x": 1, "y": ["a"]}, Right),
        ({"x": 1, "y": [True]}, Other),
        ({"kind": "right", "x": "off", "y": ["a"]}, Right),
        ({"kind": "left", "x": 1}, Left),
    ],
)
def test_unions_are_salvaged_by_the_likeliest_class(item: Any, kind: type) -> None:
    """The alternative with the fewest misfits is taken, as pydantic takes the one that fits."""
    sent = json.dumps({"type": "own", "data": {"union": [item], "name": 5}}).encode()
    found = parse(sent, registry=REGISTRY)
    assert isinstance(found, Own)
    assert found.data.union is not None
    assert type(found.data.union[0]) is kind
    assert found.issues[-1] == ("data.name", "string_type")


def test_paths_are_short_and_on_one_line() -> None:
    """A key of a stranger is cut in a path, and its control characters are escaped."""
    key = "\\u001b[31m\\n" + "k" * 900_000
    found = parse(own("maps", b'{"%s":{}}' % key.encode()), registry=REGISTRY)
    path = found.issues[0].path
    assert path.startswith("data.maps.\\x1b[31m\\nkkk")
    assert path.isprintable()
    assert len(path) < 100


def test_exclude_unset_gives_what_was_sent() -> None:
    """What is missing is None, and is not taken for something that was sent."""
    found = parse(b'{"type":"transfer.created","data":{"files":[{"size":1}],"new":2}}')
    assert found.data.id is None
    assert found.model_dump(exclude_unset=True)["data"] == {"files": [{"size": 1}], "new": 2}


# --- classes that cannot be built, numbers that cannot be read ----------------------------------


@pytest.fixture
def broken(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    package = tmp_path / "broken_events"
    package.mkdir()
    (package / "__init__.py").write_text('EVENTS = {"own.broken": ("one", "Broken")}\n')
    (package / "one.py").write_text(
        "from typing import Literal\n"
        "from coffrify_webhooks import Event\n"
        "class Broken(Event, frozen=True):\n"
        '    type: Literal["own.broken"]\n'
        '    data: "Nowhere"\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]
    yield Registry("broken_events")
    sys.modules.pop("broken_events", None)


def test_a_class_that_cannot_be_built_is_an_unknown_event(
    broken: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """Its events are UnknownEvents, and the log says so once."""
    for _ in range(3):
        found = parse(b'{"type":"own.broken","data":{"a":1}}', registry=broken)
        assert (type(found), found.data) == (UnknownEvent, {"a": 1})
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "'own.broken' events, cannot be built" in line.getMessage()


def test_a_long_integer_is_named_as_the_reason() -> None:
    """More digits than Python converts are no syntax error; up to that they are read."""
    with pytest.raises(PayloadError, match="an integer of more than 4300 digits") as raised:
        parse(b'{"type":"ping","data":{"n":%s}}' % (b"1" * 4301))
    assert raised.value.__context__ is None
    found = parse(b'{"type":"new.type","data":{"n":%s}}' % (b"1" * 4300))
    assert found.data["n"] == int("1" * 4300)
    with pytest.raises(PayloadError, match="nested too deep"):
        parse(b'{"type":"ping","data":%s' % (b"[" * 100_000))
    for levels, says in ((900, "not a JSON object"), (951, "nested too deep")):
        with pytest.raises(PayloadError, match=says):
            parse(b"\xef\xbb\xbf" + b"[" * levels + b"]" * levels)
    with pytest.raises(PayloadError, match="not JSON") as raised:
        parse(b'{"type":"ping","secret":')
    assert raised.value.__context__ is None


# --- what is remembered and logged --------------------------------------------------------------


def test_types_are_cut_where_they_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred types of 100 kB each leave less than a megabyte, and short lines in the log."""
    router = Router()
    router.on("ping")(print)
    receiver = Receiver(SECRET, router=router, store="memory:")
    caplog.set_level(logging.INFO)
    tracemalloc.start()
    try:
        for number in range(100):
            sent = b'{"type":"%d\\u001b[31m%s","id":"%s"}' % (number, b"t" * 100_000, b"i" * 300)
            reply = receiver.receive(sent, sign(sent, SECRET))
            assert reply.outcome == "ignored"
            del sent, reply
        lines = [
            (record.getMessage(), record.__dict__["webhook_event_type"] or "")
            for record in caplog.records
        ]
        caplog.clear()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000
    assert len(lines) >= 200
    for text, type_ in lines:
        assert len(text) < 2000
        assert len(type_) <= 255
        assert "\x1b" not in text + type_


# --- dumps --------------------------------------------------------------------------------------

HALF = rb'"\ud83d x"'


@pytest.mark.parametrize(
    "sent",
    [
        b'{"type":"new","data":{"a":%s}}' % HALF,
        b'{"type":"new","data":{%s:%s}}' % (HALF, HALF),
        b'{"type":"new",%s:1}' % HALF,
        b'{"type":"transfer.created","data":{"id":%s,"files":[{"id":%s,%s:1}]}}' % ((HALF,) * 3),
        b'{"type":"new","data":%s1%s}' % (b'{"a":' * 400, b"}" * 400),
        b'{"type":"new","data":{"a":%s%s}}' % (b"[" * 898, b"]" * 898),
        b'{"type":"new","data":%s}' % nested(898, b"{}"),
    ],
    ids=range(7),
)
def test_any_event_can_be_dumped(sent: bytes) -> None:
    """Half a character, in a value or a name, and great depth come out as they came."""
    found = parse(sent)
    expected = json.loads(sent)
    for dumped in (
        found.model_dump(exclude_unset=True),
        found.model_dump(mode="json", exclude_unset=True),
        json.loads(found.model_dump_json(exclude_unset=True)),
        json.loads(found.model_dump_json(exclude_unset=True, indent=1)),
    ):
        assert dumped == expected


def test_a_dump_without_recursion_is_written_as_any_other() -> None:
    """To the letter, indented or not."""
    value = {"a": [1, [], {}, {"b c": None, "d": ["\ud83d", True, 1.5]}], "e": {}, "f": [[0]]}
    for indent, separators in ((None, (",", ":")), (2, None)):
        assert _dump_deep(value, indent) == json.dumps(value, indent=indent, separators=separators)


def test_fallback_dumps_keep_their_options() -> None:
    """The fall-back writes times as pydantic does, and knows its options."""
    sent = (
        b'{"type":"transfer.created","data":{"id":%s,"created_at":"2026-01-01T00:00:00Z"}}' % HALF
    )
    found = parse(sent)
    text = found.model_dump_json(include={"data": {"created_at"}})
    assert text == '{"data":{"created_at":"2026-01-01T00:00:00Z"}}'
    assert found.model_dump_json(include={"data": {"id"}}) == '{"data":{"id":"\\ud83d x"}}'
    assert found.model_dump_json(include={"data": {"id"}}, indent=1).startswith('{\n "data"')
    assert found.data.model_dump(include={"id"}) == {"id": "\ud83d x"}
