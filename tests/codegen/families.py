"""Families of hostile schemas: each small to write down, and large in what it stands for."""

from collections.abc import Callable
from typing import Any

from tests.budgets import budget

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}


def ref(name: object) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def record(**properties: Any) -> Schema:
    return {"type": "object", "properties": properties}


def rooted(name: str, definitions: Schema) -> Schema:
    return {"$defs": definitions, "$ref": f"#/$defs/{name}"}


def numbered(count: int, schema: Any) -> Schema:
    """Make so many properties or definitions of a function of their number."""
    return {f"a{n}": schema(n) for n in range(count)}


def tree(count: int) -> Schema:
    """Each leads to the next in two ways, one of which is a class of its own each time."""

    def node(n: int) -> Schema:
        right = {"allOf": [ref(f"a{n + 1}"), record(**{f"p{n}": STRING})]}
        return record(l=ref(f"a{n + 1}"), r=right)

    return rooted("a0", numbered(count, node) | {f"a{count}": record(x=STRING)})


def cross(count: int, inner: str, outer: str) -> Schema:
    """Unions that all have to be combined with each other."""
    branches = [record(**{f"p{n}": STRING}) for n in range(count)]
    return {"type": "object", inner: branches, outer: branches}


def unions(depth: int) -> Schema:
    """Unions of lists of unions, each of which holds the next three times."""

    def node(n: int) -> Schema:
        following = ref(f"a{n + 1}")
        lists = {"type": "array", "items": following}
        maps = {"type": "object", "additionalProperties": following}
        return {"anyOf": [lists, maps, record(**{f"p{n}": following})]}

    return rooted("a0", numbered(depth, node) | {f"a{depth}": STRING})


def shared_base(depth: int) -> Schema:
    """Unions beside properties, so that each branch repeats them."""

    def node(n: int) -> Schema:
        following = ref(f"a{n + 1}")
        branches = [record(**{f"q{k}": following}) for k in range(3)]
        return {**record(b=following), "anyOf": branches}

    return rooted("a0", numbered(depth, node) | {f"a{depth}": record(z=STRING)})


def dense(count: int) -> Schema:
    """Every object refers to all the others."""
    return rooted(
        "a0", numbered(count, lambda _: record(**numbered(count, lambda n: ref(f"a{n}"))))
    )


def everyone(count: int) -> Schema:
    """Every object has a union of them all."""
    union = {"anyOf": [ref(f"a{n}") for n in range(count)]}
    return rooted("a0", numbered(count, lambda n: record(u=union, **{f"k{n}": STRING})))


def tags(count: int) -> Schema:
    """Unions of every two objects, which other properties tell apart each time."""

    def kind(n: int) -> Schema:
        constants = numbered(count, lambda k: {"const": "y" if k == n else "x"})
        return {"properties": constants}

    pairs = {
        f"u{n}_{k}": {"anyOf": [ref(f"a{n}"), ref(f"a{k}")]}
        for n in range(count)
        for k in range(count)
    }
    return {"$defs": numbered(count, kind), "properties": pairs}


def parts(count: int) -> Schema:
    """Each object is three of the others, which are three of the others."""

    def node(n: int) -> Schema:
        others = [ref(f"a{(n * 7 + k) % count}") for k in (1, 2, 3)]
        return {"allOf": others, "properties": {f"p{n}": ref(f"a{n * 3 % count}")}}

    return rooted("a0", numbered(count, node))


def stacked(count: int) -> Schema:
    """Lists of lists that begin where the last ones ended."""

    def node(n: int) -> Schema:
        schema = ref(f"a{n - 1:03}") if n else STRING
        for _ in range(40):
            schema = {"type": "array", "items": schema}
        return schema

    definitions = {f"a{n:03}": node(n) for n in range(count)}
    return {"$defs": definitions, **record(**{key: ref(key) for key in definitions})}


def ring(count: int) -> Schema:
    """A circle of objects that have no names of their own."""
    nodes = {
        f"k{n}": record(n={"$ref": f"#/x/k{(n + 1) % count}"}, **({} if n else {"z": STRING}))
        for n in range(count)
    }
    return {"x": nodes, "$ref": "#/x/k0"}


def bases(count: int, length: int) -> Schema:
    """Resources whose addresses are long, and all different."""
    definitions = numbered(
        count, lambda n: {"$id": f"d{n}/", **record(n={"$ref": f"../d{(n + 1) % count}/"})}
    )
    return {"$id": f"https://x/{'a' * length}/", "$defs": definitions, "$ref": "d0/"}


INSIDE: dict[str, Callable[[Schema], Schema]] = {
    "items": lambda inner: {"type": "array", "items": inner},
    "allOf": lambda inner: {"allOf": [inner]},
    "anyOf": lambda inner: {"anyOf": [inner, {"type": "array", "items": inner}]},
    "properties": lambda inner: record(a=inner),
    "patternProperties": lambda inner: {"type": "object", "patternProperties": {"^a": inner}},
}


def nested(depth: int, keyword: str) -> Schema:
    """One inside the other."""
    schema: Schema = STRING
    for _ in range(depth):
        schema = INSIDE[keyword](schema)
    return schema


def repeated_parts(fields: int, count: int) -> Schema:
    """One and the same object with many fields, said over and over."""
    properties = numbered(fields, lambda _: record(q=STRING))
    return {"allOf": [record(**properties) for _ in range(count)]}


HOSTILE: dict[str, Any] = {
    "tree": lambda: tree(300),
    "inline objects": lambda: record(**numbered(20_000, lambda n: record(**{f"p{n}": STRING}))),
    "union of 20,000": lambda: {"anyOf": [record(**{f"p{n}": STRING}) for n in range(20_000)]},
    "cross product": lambda: cross(1000, "anyOf", "oneOf"),
    "anyOf of allOf": lambda: {"allOf": [cross(60, "anyOf", "oneOf")] * 60},
    "unions": lambda: unions(50),
    "shared base": lambda: shared_base(40),
    "diamonds": lambda: rooted(
        "a0", numbered(3000, lambda n: record(**dict.fromkeys("pqrs", ref(f"a{n + 1}"))))
    ),
    "dense": lambda: dense(200),
    "everyone": lambda: everyone(200),
    "tags": lambda: tags(60),
    "parts": lambda: parts(300),
    "stacked": lambda: stacked(100),
    "ring": lambda: ring(budget(400, 1000)),
    "bases": lambda: bases(3000, 10**6),
    "long names": lambda: record(**{"x" * 10**5 + str(n): STRING for n in range(100)}),
    "10,000 fields": lambda: record(
        **numbered(10_000, lambda n: {"anyOf": [record(a=STRING), record(b=STRING)]})
    ),
    "10^5 fields": lambda: record(**dict.fromkeys(map(str, range(10**5)), STRING)),
    "10^5 required": lambda: {**record(a=STRING), "required": [str(n) for n in range(10**5)]},
    "required 10,000 times": lambda: {
        "allOf": [{**record(p=STRING), "required": [str(n) for n in range(100)]}] * 10_000
    },
    "10^5 values": lambda: record(e={"enum": [str(n) for n in range(10**5)]}),
    "10^5 values twice": lambda: {
        "allOf": [{"enum": [str(n) for n in range(10**5)]}] * 2 + [{"enum": [{"a": 1}] * 10**4}] * 2
    },
    "patterns": lambda: {
        "type": "object",
        "patternProperties": {f"^{n}": record(**{f"p{n}": STRING}) for n in range(5000)},
        "additionalProperties": False,
    },
    "one name": lambda: record(**{f"a{'_' * n}": record(q=STRING) for n in range(190)}),
    "words": lambda: record(
        **numbered(budget(1000, 3000), lambda n: {**STRING, "description": "w " * 5000})
    ),
    "references": lambda: rooted("a0", numbered(10_000, lambda n: ref(f"a{n + 1}"))),
    "repeated parts": lambda: repeated_parts(budget(1000, 3000), 100),
    **{f"nested {keyword}": lambda keyword=keyword: nested(10_000, keyword) for keyword in INSIDE},
}
