"""Pairs the alternatives of a type in two versions."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coffrify_webhooks_codegen.json_types import is_mapping
from coffrify_webhooks_codegen.schema.lower import Schema, canonical

__all__ = ["NULL", "Alternative", "Matching", "alternatives", "is_plain", "match"]


@dataclass(frozen=True)
class Alternative:
    """One alternative of a type."""

    kind: str
    """`class`, `array`, `map`, `const`, a format, or a scalar's JSON type."""
    schema: Schema = field(default_factory=Schema, compare=False)
    name: str = ""
    """The class, or the value of a const."""
    values: frozenset[str] = frozenset()
    """The known values of a string."""

    def classes(self) -> list[str]:
        """Return the classes that it mentions outside other classes."""
        return [str(each["$ref"]) for each in _leaves(self.schema) if "$ref" in each]


NULL = Alternative("null")
_TEXTS = {"string", "date-time", "date", "uuid"}
_MARKS = 3


@dataclass
class Matching:
    """The result: pairs, and alternatives without a partner."""

    pairs: list[tuple[Alternative, Alternative]] = field(
        default_factory=list[tuple[Alternative, Alternative]]
    )
    lost: list[Alternative] = field(default_factory=list[Alternative])
    gained: list[Alternative] = field(default_factory=list[Alternative])
    reformatted: bool = False
    """Whether text has another Python type now."""


Fields = Callable[[str], Mapping[str, Schema]]
"""Returns the fields of a class by its name."""


def alternatives(schema: Schema, *, optional: bool) -> list[Alternative] | None:
    """Return the alternatives of a type; None if it allows anything. Optional types allow null."""
    found: list[Alternative] = []
    values: set[str] = set()
    for branch in schema.get("anyOf", [schema]):
        if not branch.keys() - {"description"}:
            return None
        if "$ref" in branch:
            found.append(Alternative("class", branch, branch["$ref"]))
        elif "const" in branch:
            found.append(Alternative("const", branch, branch["const"]))
        elif "enum" in branch:  # of several enumerations one is made
            values.update(branch["enum"])
        else:
            kind = "map" if branch["type"] == "object" else branch["type"]
            found.append(Alternative(branch.get("format", kind), branch))
    if values:
        found.append(Alternative("string", {"type": "string"}, values=frozenset(values)))
    if optional and NULL not in found:
        found.append(NULL)
    return found


def is_plain(schema: Schema) -> bool:
    """Tell whether values of this type stay plain JSON."""
    return not any("$ref" in leaf or "format" in leaf for leaf in _leaves(schema))


def match(
    olds: list[Alternative], news: list[Alternative], old_fields: Fields, new_fields: Fields
) -> Matching:
    """Pair the alternatives of two versions; those without a partner were lost or gained."""
    matched = Matching()
    for kind in sorted({each.kind for each in [*olds, *news]}):
        left = [each for each in olds if each.kind == kind]
        right = [each for each in news if each.kind == kind]
        if len(left) == len(right) == 1 and kind != "const":
            matched.pairs += zip(left, right, strict=True)
            continue
        lost = {n: _Marked(each, _marks(each, old_fields)) for n, each in enumerate(left)}
        gained = {n: _Marked(each, _marks(each, new_fields)) for n, each in enumerate(right)}
        matched.pairs += _take_pairs(lost, gained)
        matched.lost += [each.alternative for each in lost.values()]
        matched.gained += [each.alternative for each in gained.values()]
    _absorb(matched, olds, news)
    return matched


class _Marked(NamedTuple):
    alternative: Alternative
    marks: tuple[str, ...]


def _marks(each: Alternative, fields: Fields) -> tuple[str, ...]:
    """Return the marks that identify an alternative, the surest first; "" identifies nothing."""
    if each.kind == "const":
        return repr(each.name), "", ""
    if each.kind != "class":
        return "", canonical(each.schema), each.kind
    found = fields(each.name)
    tags = [(name, field["const"]) for name, field in found.items() if "const" in field]
    # The same fields under another tag are another thing.
    return (repr(tags), "", "") if tags else ("", repr(sorted(found)), each.name)


def _take_pairs(
    olds: dict[int, _Marked], news: dict[int, _Marked]
) -> list[tuple[Alternative, Alternative]]:
    """Remove and return the pairs of one kind."""
    pairs: list[tuple[Alternative, Alternative]] = []
    for n in range(_MARKS):
        waiting: dict[str, deque[int]] = {}
        for number, new in news.items():
            waiting.setdefault(new.marks[n], deque()).append(number)
        for number, old in list(olds.items()):
            same = waiting.get(old.marks[n])
            if same and old.marks[n]:
                pairs.append((olds.pop(number)[0], news.pop(same.popleft())[0]))
    return pairs


def _absorb(matched: Matching, olds: list[Alternative], news: list[Alternative]) -> None:
    """Drop alternatives that another one covers, and pair texts of different formats."""
    # Whole numbers are numbers, and a fixed text is a text.
    for part, whole in (("integer", "number"), ("const", "string")):
        for side, others in ((matched.lost, news), (matched.gained, olds)):
            if any(each.kind == whole for each in others):
                side[:] = [each for each in side if each.kind != part]
    lost = [each for each in matched.lost if each.kind in _TEXTS]
    gained = [each for each in matched.gained if each.kind in _TEXTS]
    for was, now in zip(lost, gained, strict=False):
        matched.lost.remove(was)
        matched.gained.remove(now)
        matched.reformatted = True


def _leaves(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for branch in schema.get("anyOf", [schema]):
        inner: object = branch.get("items", branch.get("additionalProperties"))
        if is_mapping(inner):
            yield from _leaves(inner)
        else:
            yield branch
