"""Classes and bodies of up to 1 MiB for `salvage.py`: such as fit badly, or in very many parts."""

# ruff: noqa: E501, PLC0207 - a table of cases
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from coffrify_webhooks.event import Event, EventModel, Timestamp
from coffrify_webhooks.parsing.registry import Registry

__all__ = ["CASES", "Classes"]

MEBIBYTE = 1_048_576


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


class Optional(EventModel, frozen=True):
    a: int | None = None
    b: int | None = None
    c: str | None = None
    d: str | None = None
    e: bool | None = None
    f: bool | None = None
    g: Timestamp | None = None
    h: str | None = None
    i: list[int] | None = None
    j: dict[str, int] | None = None


class Left(EventModel, frozen=True):
    kind: Literal["left"]
    x: int
    y: list[int]
    at: Timestamp


class Right(EventModel, frozen=True):
    kind: Literal["right"]
    x: int
    y: list[str]
    size: int


class Middle(EventModel, frozen=True):
    x: str
    y: list[bool]


class Node(EventModel, frozen=True):
    child: "Node | None" = None
    children: "list[Node] | None" = None
    value: int


class Fork(EventModel, frozen=True):
    child: "Fork | Knife | None" = None
    value: int


class Knife(EventModel, frozen=True):
    child: "Fork | Knife | None" = None
    value: str


class Wide(EventModel, frozen=True):
    __annotations__ = {f"f{n}": int for n in range(1000)}


class Hundreds(EventModel, frozen=True):
    """pydantic's error for each missing key holds a copy of what is there."""

    __annotations__ = {**{f"f{n}": int for n in range(300)}, "texts": list[str]}


class Asking(Event, frozen=True):
    type: Literal["asking"]
    data: Hundreds


class Data(EventModel, frozen=True):
    tens: list[Ten] | None = None
    optionals: list[Optional] | None = None
    union: list[Left | Right | Middle] | None = None
    either: list[Left | Right | dict[str, Any]] | None = None
    node: Node | None = None
    fork: Fork | Knife | None = None
    times: list[Timestamp] | None = None
    ints: dict[str, int] | None = None
    maps: dict[str, Ten] | None = None
    wide: list[Wide] | None = None
    nested: list[list[list[int]]] | None = None


class Own(Event, frozen=True):
    type: Literal["own"]
    data: Data


class Flat(EventModel, frozen=True):
    tens: list[Ten] | None = None
    optionals: list[Optional] | None = None
    union: list[Left | Right | Middle] | None = None
    either: list[Left | Right | dict[str, Any]] | None = None
    wide: list[Wide] | None = None
    times: list[Timestamp] | None = None


class Even(Event, frozen=True):
    """Without recursion, so that pydantic may see a whole body."""

    type: Literal["even"]
    data: Flat


class Classes(Registry):
    """The bundled classes, and those above."""

    def __init__(self) -> None:
        super().__init__("coffrify_webhooks.events")
        self._classes |= {"own": Own, "even": Even, "asking": Asking}


def many(key: str, item: bytes, room: int = MEBIBYTE, kind: bytes = b"own") -> bytes:
    head, tail = b'{"type":"%s","data":{"id":"x","%s":[' % (kind, key.encode()), b"]}}"
    return head + b",".join([item] * ((room - 60) // (len(item) + 1))) + tail


def deep(levels: int, key: str, inside: bytes, head: bytes = b"own", rest: bytes = b"") -> bytes:
    opening = b'{"%s":' % key.split(".")[-1].encode()
    nested = opening * levels + inside + (rest + b"}") * levels
    return b'{"type":"%s","data":{"%s":%s}}' % (head, key.split(".")[0].encode(), nested)


def pairs(key: str, value: bytes, room: int = MEBIBYTE) -> bytes:
    number = (room - 60) // (len(value) + 10)
    inside = b",".join(b'"%06x":%s' % (n, value) for n in range(number))
    return b'{"type":"own","data":{"%s":{%s}}}' % (key.encode(), inside)


def tree(room: int) -> bytes:
    """Nodes of two children, each without its value."""
    level = b"{}"
    while 2 * len(level) + 20 < room - 60:
        level = b'{"children":[%s,%s]}' % (level, level)
    return b'{"type":"own","data":{"node":%s}}' % level


GOOD = (
    b'{"a":1,"b":2,"c":"c","d":"d","e":true,"f":false,"g":"2026-01-01T00:00:00Z","h":"h",'
    b'"i":[1,2],"j":{"k":1}}'
)
FILE = b'{"id":"f_%d","name":"document.pdf","size":123456,"mime_type":"application/pdf"}'
CASES: dict[str, Callable[[], bytes]] = {
    "bundled, files of 1": lambda: many("files", b"1", kind=b"transfer.created"),
    'bundled, files of ""': lambda: many("files", b'""', kind=b"transfer.created"),
    "bundled, files of {}": lambda: many("files", b"{}", kind=b"transfer.created"),
    "bundled, files that fit": lambda: many("files", FILE, kind=b"transfer.created"),
    "bundled, least files that fit": lambda: many("files", b'{"id":""}', kind=b"transfer.created"),
    "bundled, files almost fit": lambda: many("files", FILE[:-1] + b',"size":"x"}', kind=b"transfer.created"),
    "bundled, files with half a character": lambda: many("files", FILE[:-1] + b',"n":"\\ud800"}', kind=b"transfer.created"),
    "bundled, files with an id of a number": lambda: many("files", b'{"id":5}', kind=b"transfer.created"),
    "bundled, small": lambda: many("files", b"1", 4000, kind=b"transfer.created"),
    **{
        f"{kind.decode()}, {key} of {item[:24].decode()}": partial(many, key, item, kind=kind)
        for kind in (b"own", b"even")
        for key, item in (
            ("tens", b"{}"), ("tens", b"1"), ("tens", b"[]"), ("tens", GOOD), ("tens", GOOD[:-1] + b',"a":"x"}'),
            ("tens", b'{"g":""}'), ("tens", b'{"g":"2026-01-01T00:00:00Z"}'),
            ("optionals", b"{}"), ("optionals", b"1"), ("optionals", b'{"a":""}'), ("optionals", GOOD),
            ("union", b"{}"), ("union", b"1"), ("union", b'{"kind":"left"}'), ("union", b'{"x":1,"y":[1,""]}'),
            ("union", b'{"kind":"right","x":1,"y":["a","b"],"size":3}'),
            ("either", b"{}"), ("either", b"1"), ("either", b'{"kind":"left"}'), ("either", b'{"kind":"left","x":1,"y":[""],"at":"2026-01-01"}'),
            ("times", b'""'), ("times", b"1"), ("times", b'"2026-01-01T00:00:00Z"'), ("times", b"[]"),
            ("wide", b"{}"), ("wide", b'{"f1":1}'),
        )
    },
    "own, nested of [[]]": lambda: many("nested", b"[[]]"),
    "own, nested of [[0,null]]": lambda: many("nested", b"[[0,null]]"),
    "own, node 480 deep": lambda: deep(480, "node.child", b"{}"),
    "own, node 480 deep that fits": lambda: deep(480, "node.child", b'{"value":1}', rest=b',"value":1'),
    "own, node 150 deep that fits": lambda: deep(150, "node.child", b'{"value":1}', rest=b',"value":1'),
    "own, fork 480 deep": lambda: deep(480, "fork.child", b"{}"),
    "own, fork 100 deep that fits": lambda: deep(100, "fork.child", b'{"value":1}', rest=b',"value":1'),
    "own, fork 30 deep": lambda: deep(30, "fork.child", b'{"value":1}', rest=b',"value":""'),
    "own, tree": lambda: tree(MEBIBYTE),
    "own, small tree": lambda: tree(4000),
    "own, children of {}": lambda: b'{"type":"own","data":{"node":{"children":[' + b",".join([b"{}"] * 340_000) + b"]}}}",
    "own, ints of null": lambda: pairs("ints", b"null"),
    "own, ints of {}": lambda: pairs("ints", b"{}"),
    "own, maps of {}": lambda: pairs("maps", b"{}"),
    "own, maps of 1": lambda: pairs("maps", b"1"),
    "own, maps that fit": lambda: pairs("maps", GOOD),
    "own, a long key": lambda: b'{"type":"own","data":{"maps":{"%s":{"i":[%s]}}}}' % (b"k" * 900_000, b",".join([b'""'] * 40_000)),
    "own, a long key of a list": lambda: b'{"type":"own","data":{"maps":{"%s":{"i":[%s]}}}}' % (b"\\u0001" * 150_000, b",".join([b'""'] * 40_000)),
    "own, 300 keys are missing": lambda: many("texts", b'"a"', kind=b"asking"),
    "new type, data of {}": lambda: many("x", b"{}", kind=b"no.such"),
    "new type, data of [1]": lambda: many("x", b"[1]", kind=b"no.such"),
    "new type of 1 MB": lambda: b'{"type":"%s"}' % (b"t" * 1_000_000),
    "bundled, id of a list": lambda: b'{"type":"ping","id":[%s]}' % b",".join([b"{}"] * 340_000),
    "bundled, text": lambda: b'{"type":"transfer.created","data":{"id":1,"notes":"%s"}}' % (b"n," * 500_000),
}  # fmt: skip
