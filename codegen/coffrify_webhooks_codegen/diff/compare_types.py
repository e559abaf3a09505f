"""Compares the data of one event in two catalogs, type by type.

A type is a set of alternatives. Those of OLD and NEW are paired, pairs are compared inside, and
the rest shows whether the type became wider, narrower or different. Two classes are compared once
per event, where they are first met, so recursion ends and large schemas take time in proportion
to their size.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from coffrify_webhooks_codegen.classes.class_names import Objects
from coffrify_webhooks_codegen.schema.lower import Schema
from coffrify_webhooks_codegen.schema.python_types import field_path, in_python

from .change import Kind
from .match import NULL, Alternative, alternatives, is_plain, match

__all__ = ["Comparison", "EventVersion"]

# Two honest versions of an event have a pair for each class; two unlike ones could have n * n.
_MOST_PAIRS = 5_000
_MOST_FIELDS = 40_000
_MOST_SHOWN = 8


@dataclass(frozen=True)
class EventVersion:
    """One version of what an event carries; the objects are flat, by class name."""

    data: Schema
    own: Objects
    shared: Objects
    module: str

    def objects(self, name: str) -> Objects:
        return self.own if name in self.own else self.shared

    def fields(self, name: str) -> Mapping[str, Schema]:
        properties: Mapping[str, Schema] = self.objects(name)[name]["properties"]
        return properties

    def has(self, name: str, *, own: bool) -> bool:
        return name in (self.own if own else self.shared)

    def address(self, name: str) -> str:
        return f"{self.module if name in self.own else '_shared'}.{name}"


class Comparison:
    """Compares the two versions of one event's data."""

    def __init__(self, old: EventVersion, new: EventVersion) -> None:
        self._old = old
        self._new = new
        self._found: list[tuple[str, Kind, str]] = []
        self._met: set[tuple[str, str]] = set()
        self._fields = 0
        self._full = False
        self._left: deque[tuple[str, str, str]] = deque()

    def run(self) -> list[tuple[str, Kind, str]]:
        """Return (path, kind, text) of each change."""
        self._types("data", self._old.data, self._new.data)
        while self._left:
            path, old, new = self._left.popleft()
            self._classes(path, old, new)
        return self._found

    def _report(self, path: str, kind: Kind, text: str) -> None:
        self._found.append((path, kind, text))

    def _types(self, path: str, old: Schema, new: Schema, *, optional: bool = False) -> None:
        if old.get("description") != new.get("description"):
            self._report(path, "described", "the description has changed")
        said = f"{in_python(old, optional=optional)} became {in_python(new, optional=optional)}"
        olds, news = (alternatives(side, optional=optional) for side in (old, new))
        if olds is None or news is None:
            self._anything(path, olds, news, said)
            return
        matched = match(olds, news, self._old.fields, self._new.fields)
        for was, now in matched.pairs:
            self._pair(path, was, now)
        if matched.reformatted:
            self._report(path, "format", said)
        if matched.lost and matched.gained:
            self._report(path, "changed", said)
        elif matched.gained:
            self._report(path, "nullable" if matched.gained == [NULL] else "widened", said)
        elif matched.lost:
            gone = [name for each in matched.lost for name in each.classes() if self._is_gone(name)]
            if gone:
                self._report(path, "removed", f"{', '.join(gone)} is gone: {said}")
            else:
                self._report(path, "nonnull" if matched.lost == [NULL] else "narrowed", said)

    def _anything(
        self,
        path: str,
        olds: list[Alternative] | None,
        news: list[Alternative] | None,
        said: str,
    ) -> None:
        if olds is not None:
            self._report(path, "widened", said)
        elif news is not None:
            # Values that were plain JSON, and become models or datetimes, break their users.
            plain = all(is_plain(each.schema) for each in news)
            self._report(path, "narrowed" if plain else "changed", said)

    def _is_gone(self, name: str) -> bool:
        return not self._new.has(name, own=name in self._old.own)

    def _pair(self, path: str, old: Alternative, new: Alternative) -> None:
        if old.kind == "class":
            self._queue_classes(path, old.name, new.name)
        elif old.kind == "array":
            self._types(f"{path}[]", old.schema["items"], new.schema["items"])
        elif old.kind == "map":
            values = [each.schema.get("additionalProperties", {}) for each in (old, new)]
            self._types(f"{path}.*", *values)
        elif old.values != new.values:
            came, went = new.values - old.values, old.values - new.values
            marked = [*(f"+{value}" for value in sorted(came)), *(f"-{v}" for v in sorted(went))]
            left = len(marked) - _MOST_SHOWN
            more = f" and {left} more" if left > 0 else ""
            self._report(path, "values", f"known values: {' '.join(marked[:_MOST_SHOWN])}{more}")

    def _queue_classes(self, path: str, old: str, new: str) -> None:
        if (old, new) in self._met or self._full:
            return
        self._met.add((old, new))
        self._fields += len(self._old.fields(old)) + len(self._new.fields(new))
        if len(self._met) > _MOST_PAIRS or self._fields > _MOST_FIELDS:
            self._full = True
            self._report(path, "changed", "too many classes to compare; taken as changed")
            return
        if old != new or not self._new.has(new, own=old in self._old.own):
            addresses = f"{self._old.address(old)} became {self._new.address(new)}"
            self._report(path, "renamed", f"the class {addresses}")
        self._left.append((path, old, new))

    def _field(self, path: str, old: Schema, new: Schema, needed: tuple[bool, bool]) -> None:
        if needed == (True, False):
            self._report(path, "optional", "always sent before, may be missing now")
        elif needed == (False, True):
            self._report(path, "required", "may be missing before, always sent now")
        self._types(path, old, new, optional=needed != (True, True))

    def _classes(self, path: str, old: str, new: str) -> None:
        olds, news = self._old.objects(old), self._new.objects(new)
        was, now = olds[old], news[new]
        if was.get("description") != now.get("description"):
            self._report(path, "described", f"the description of {new} has changed")
        loose = ("untyped" in was, "untyped" in now)
        if loose == (False, True):
            self._report(path, "widened", f"{new} need not be an object any more")
        elif loose == (True, False):
            self._report(path, "narrowed", f"{new} is always an object now")
        before, after = was["properties"], now["properties"]
        for name in sorted(before.keys() | after.keys()):
            where = field_path(path, name)
            needed = (name in was["required"], name in now["required"])
            if name not in after:
                self._report(where, "removed", f"the field of {old} is gone")
            elif name not in before:
                always = "always" if needed[1] else "sometimes"
                spelled = in_python(after[name], optional=not needed[1])
                self._report(where, "added", f"{new} has a new field, {always} sent: {spelled}")
            else:
                self._field(where, before[name], after[name], needed)
