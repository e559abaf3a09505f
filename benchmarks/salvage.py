"""What parsing a signed body costs at worst: CPU beside `json.loads` of it, and memory.

Each case is a class and a body of up to 1 MiB that fits it badly, or well but in very many parts.
Fresh processes: one for the time, one for the memory. Exits with 1 if a bound is missed.
"""

# ruff: noqa: E501, PLR2004, PLC0207 - a table of cases
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from coffrify_webhooks.event import Event, EventModel, Timestamp
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.parsing.registry import Registry

MOST_RATIO, MOST_MEGABYTES = 10, 100
FREE = 2.0
"""Milliseconds that any body may take beside that, so that a small one is typed as a whole."""
MEBIBYTE = 1_048_576
ROUNDS = 3


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


def kilobytes(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def measure(name: str, what: str) -> None:
    """Print one figure; run in a process of its own."""
    body, registry = CASES[name](), Classes()
    for kind in ("transfer.created", "own", "even"):
        parse(b'{"type":"%s","data":{"id":1}}' % kind.encode(), registry=registry)
    if what == "memory":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = kilobytes("VmRSS")
        found = parse(body, registry=registry)
        print((kilobytes("VmHWM") - before) / 1024, len(found.issues), found.issues.more)
        return
    turns: dict[str, list[float]] = {"parse": [], "floor": []}
    for _ in range(ROUNDS if len(body) > 100_000 else 100):
        for key, call in (
            ("floor", lambda: json.loads(body)),
            ("parse", lambda: parse(body, registry=registry)),
        ):
            began = time.process_time()
            call()
            turns[key].append(time.process_time() - began)
    ours, floor = min(turns["parse"]), min(turns["floor"])
    print(ours / floor, ours * 1000, floor * 1000)


def main() -> int:
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
        return 0
    missed = 0
    print(f"{'':45}      x   ms (floor)   MB   issues")
    for name in CASES:
        if len(sys.argv) == 2 and sys.argv[1] not in name:
            continue
        runs = [
            subprocess.run(
                [sys.executable, __file__, name, what], capture_output=True, text=True, check=False
            )
            for what in ("time", "memory")
        ]
        if any(run.returncode for run in runs):
            print(name, [run.stderr[-300:] for run in runs])
            missed += 1
            continue
        (ratio, ms, floor), (peak, listed, more) = (map(float, r.stdout.split()) for r in runs)
        bad = ms > MOST_RATIO * floor + FREE or peak > MOST_MEGABYTES
        missed += bad
        print(
            f"{name[:45]:45} {ratio:6.2f} {ms:5.0f} ({floor:5.1f}) {peak:5.0f} "
            f"{listed:5.0f} + {more:.0f} {'MISSED' if bad else ''}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
