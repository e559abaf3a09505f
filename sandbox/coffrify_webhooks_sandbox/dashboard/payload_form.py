"""The form for an event type's data, built from its schema.

A form is flat and data is not, so each field of the data has a pointer such as `data/files/0/name`.
A form has the field's text under the pointer, or as JSON under `json:` and the pointer; its state
(value, null or absent) under `state:` and the pointer, and the length of a list under `count:` and
the pointer.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.web.wording import indent_json
from coffrify_webhooks_codegen.json_types import is_list, is_mapping
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.limits import DEEPEST, TOO_DEEP, is_deep
from coffrify_webhooks_sandbox.payload import random_data
from coffrify_webhooks_sandbox.resolve import resolve

from .form_field import FormField, Kind, State, is_typeable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from random import Random

__all__ = ["PayloadForm", "flatten"]

_ROOT = "data"
_MOST_ITEMS = 200
_MOST_PLACES = 2000
"""The most fields of one form; larger data is shown as JSON."""
_MOST_TEXT = 2_000_000
_MOST_TEXTS = 4 * _MOST_PLACES
_MOST_DIGITS = 9
_LEAVES: dict[str, Kind] = {"string": "text", "integer": "integer", "number": "number"}
_CHANGED = re.compile(r"[\0\n\r\ud800-\udfff]")
"""Characters that a browser's form changes in a name."""
_ESCAPE = re.compile(r"~(0|1|u[0-9a-f]{4})")
_MARKS = ("", "state:", "count:", "json:", "choice:")
_STATES: dict[str, State] = {"value": "value", "null": "null", "absent": "absent"}


class PayloadForm:
    """The form of one schema."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._left = _MOST_PLACES
        self._names: dict[str, dict[str, None]] = {}

    def field(self, texts: Mapping[str, str]) -> FormField:
        """Return the form with the submitted texts, or those of `flatten`.

        Raises SandboxError for data that is too large for a form.
        """
        self._left = _MOST_PLACES
        self._names = _names(texts)
        return self._field(_ROOT, "data", "", self._root, texts, required=True)

    def edit(
        self, texts: Mapping[str, str], action: str, now: float, random: Random
    ) -> dict[str, str]:
        """Return the texts after an action that adds or removes a field: `add:data/files`."""
        what, _, pointer = action.partition(":")
        form = self.field(texts)
        found = next((each for each in form.fields() if each.pointer == pointer), None)
        changed = dict(texts)
        if found is None:
            return changed
        if what == "add":
            self._add(changed, found, lambda schema: self._make(schema, now, random))
        elif found.is_item:
            _drop_item(changed, pointer)
        else:
            changed[f"state:{pointer}"] = "null" if what == "null" else "absent"
        return changed

    def _make(self, schema: Any, now: float, random: Random) -> Any:
        """Make data for a field inside the schema."""
        inner = resolve(schema, self._root)
        whole: dict[str, Any] = dict(self._root) if is_mapping(self._root) else {}
        shared = {key: whole[key] for key in ("$defs", "definitions") if key in whole}
        return random_data({**shared, **inner}, None, now, random)

    def _add(self, texts: dict[str, str], found: FormField, make: Callable[[Any], Any]) -> None:
        schema = self._schema_at(found.pointer)
        texts[f"state:{found.pointer}"] = "value"
        if found.kind == "array":
            count = len(found.children)
            if count < _MOST_ITEMS:
                items = resolve(schema, self._root).get("items", True)
                texts.update(flatten(make(items), f"{found.pointer}/{count}"))
                texts[f"count:{found.pointer}"] = str(count + 1)
        else:
            texts.update(flatten(make(schema), found.pointer))

    def _schema_at(self, pointer: str) -> Any:
        schema = self._root
        for part in pointer.split("/")[1:]:
            inner = self._without_null(resolve(schema, self._root))
            if "items" in inner and part.isdecimal():
                schema = inner["items"]
            else:
                properties = _properties_of(inner)
                schema = properties.get(_unescape(part), inner.get("additionalProperties", True))
        return self._without_null(resolve(schema, self._root))

    # --- one place ----------------------------------------------------------------------------

    def _field(
        self,
        pointer: str,
        param: str,
        name: str,
        schema: Any,
        texts: Mapping[str, str],
        *,
        required: bool,
        is_item: bool = False,
    ) -> FormField:
        self._left -= 1
        if self._left < 0:
            raise _too_large()
        whole = resolve(schema, self._root)
        inner = self._without_null(whole)
        kinds = _kinds(inner)
        kind, choices = _kind_of(inner, kinds)
        if kind in ("object", "array") and pointer.count("/") >= DEEPEST:
            kind = "json"
        found = FormField(
            pointer,
            param,
            name,
            kind,
            about=str(whole.get("description") or inner.get("description") or ""),
            hint=str(inner.get("format") or ""),
            required=required,
            nullable=inner is not whole or "null" in kinds or "null" in choices,
            is_item=is_item,
            choices=tuple(choice for choice in choices if choice != "null"),
        )
        found.state = _state_of(texts, found)
        found.text = texts.get(pointer, "")
        if kind == "text" and not _is_plain(texts, pointer):
            found.kind, found.hint = "json", "JSON"
        if found.kind in ("json", "choice"):
            found.text = texts.get(f"{found.kind}:{pointer}", found.text)
        elif kind == "text":
            found.text = found.text.replace("\r\n", "\n")  # as a browser sends lines
        if found.state == "value" and kind == "object":
            found.children = list(self._properties(found, inner, texts))
        elif found.state == "value" and kind == "array":
            items = inner.get("items", True)
            found.children = [
                self._field(
                    f"{pointer}/{index}",
                    f"{param}[{index}]",
                    str(index),
                    items,
                    texts,
                    required=True,
                    is_item=True,
                )
                for index in range(_count(texts, pointer))
            ]
        return found

    def _properties(
        self, parent: FormField, schema: Mapping[str, Any], texts: Mapping[str, str]
    ) -> Iterator[FormField]:
        known = _properties_of(schema)
        wanted = schema.get("required")
        asked = [name for name in wanted if isinstance(name, str)] if is_list(wanted) else []
        for name in dict.fromkeys([*known, *asked, *self._names.get(parent.pointer, ())]):
            yield self._field(
                f"{parent.pointer}/{_escape(name)}",
                f"{parent.param}.{name}",
                name,
                known.get(name, schema.get("additionalProperties", True)),
                texts,
                required=name in asked,
            )

    def _without_null(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the other branch of a union of two with null, or else the schema."""
        for key in ("anyOf", "oneOf"):
            match schema.get(key):
                case [one, other]:
                    branches = [resolve(each, self._root) for each in (one, other)]
                    others = [branch for branch in branches if branch.get("type") != "null"]
                    if len(others) == 1:
                        return others[0]
                case _:
                    continue
        return schema


def flatten(data: Any, pointer: str = _ROOT) -> dict[str, str]:
    """Return the texts of a form for data; raise SandboxError if it is too deep or too large."""
    if is_deep(data):
        raise SandboxError(400, "invalid_data", f"data: {TOO_DEEP}", "data")
    found: dict[str, str] = {}
    room = _MOST_TEXT
    left: list[tuple[str, Any]] = [(pointer, data)]
    while left:
        pointer, item = left.pop()
        text = indent_json(item, room, to_ascii=True)
        if text is None or len(found) > _MOST_TEXTS:
            raise _too_large()
        room -= len(text) + len(pointer)
        found[f"state:{pointer}"] = "null" if item is None else "value"
        found[f"json:{pointer}"] = text
        inner: list[tuple[str, Any]] = []
        if is_mapping(item):
            inner = [(f"{pointer}/{_escape(name)}", value) for name, value in item.items()]
        elif is_list(item):
            found[f"count:{pointer}"] = str(len(item))
            inner = [(f"{pointer}/{index}", value) for index, value in enumerate(item)]
        else:
            found[pointer] = item if isinstance(item, str) else "" if item is None else text
            found[f"choice:{pointer}"] = text
        left += reversed(inner)
    return found


def _properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if is_mapping(found) else {}


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    found = schema.get("type")
    if is_list(found):
        return [str(kind) for kind in found]
    if isinstance(found, str):
        return [found]
    return ["object"] if "properties" in schema else ["array"] if "items" in schema else []


def _kind_of(schema: Mapping[str, Any], kinds: list[str]) -> tuple[Kind, list[str]]:
    """Return how a field is shown, and its choices."""
    if "const" in schema:
        return "choice", [json.dumps(schema["const"])]
    if is_list(schema.get("enum")):
        return "choice", [json.dumps(value) for value in schema["enum"]]
    some = [kind for kind in kinds if kind != "null"]
    kind = some[0] if len(some) == 1 else ""
    if kind == "boolean":
        return "choice", ["true", "false"]
    if kind == "object" and _properties_of(schema):
        return "object", []
    if kind == "array" and is_mapping(schema.get("items")):
        return "array", []
    return _LEAVES.get(kind, "json"), []


def _state_of(texts: Mapping[str, str], field: FormField) -> State:
    """Return the state of a field; one that is missing in the form is absent.

    An item is never absent, because a list has no gaps.
    """
    said = _STATES.get(texts.get(f"state:{field.pointer}", ""))
    if said is None:
        keys = (field.pointer, f"json:{field.pointer}")
        is_there = field.pointer == _ROOT or any(key in texts for key in keys)
        said = "value" if is_there else "absent"
    if (said == "null" and not field.nullable) or (said == "absent" and field.is_item):
        return "value"
    return said


def _is_plain(texts: Mapping[str, str], pointer: str) -> bool:
    """Tell whether the form has a field's text as it is, rather than as JSON.

    A submitted form has one of the two; `flatten` returns both, with any characters.
    """
    return f"json:{pointer}" not in texts or (pointer in texts and is_typeable(texts[pointer]))


def _count(texts: Mapping[str, str], pointer: str) -> int:
    count = _whole(texts.get(f"count:{pointer}", ""))
    return 0 if count is None else min(_MOST_ITEMS, count)


def _whole(text: str) -> int | None:
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    return None


def _names(texts: Mapping[str, str]) -> dict[str, dict[str, None]]:
    """Return the property names of each object in the form, by its pointer."""
    found: dict[str, dict[str, None]] = {}
    for key in texts:
        pointer = key.removeprefix("state:")
        while pointer != key and "/" in pointer:
            pointer, _, name = pointer.rpartition("/")
            names = found.setdefault(pointer, {})
            if _unescape(name) in names:
                break  # and so are those above it
            names[_unescape(name)] = None
    return found


def _too_large() -> SandboxError:
    return SandboxError(400, "invalid_data", "data: it is too large for a form", "data")


def _drop_item(texts: dict[str, str], pointer: str) -> None:
    """Remove an item from a list, and renumber those after it."""
    parent, _, index = pointer.rpartition("/")
    moved: dict[str, str] = {}
    for key, value in texts.items():
        mark, slash, rest = key.partition(f"{parent}/")
        digits, *inner = rest.split("/")
        number = _whole(digits) if slash and mark in _MARKS else None
        if number is None or number < int(index):
            moved[key] = value
        elif number > int(index):
            moved["/".join([f"{mark}{parent}/{number - 1}", *inner])] = value
    count = _count(texts, parent)
    texts.clear()
    texts.update(moved)
    texts[f"count:{parent}"] = str(max(0, count - 1))


def _escape(name: str) -> str:
    plain = name.replace("~", "~0").replace("/", "~1")
    return _CHANGED.sub(lambda found: f"~u{ord(found[0]):04x}", plain)


def _unescape(part: str) -> str:
    return _ESCAPE.sub(lambda found: _character(found[1]), part)


def _character(escape: str) -> str:
    return {"0": "~", "1": "/"}.get(escape) or chr(int(escape[1:], 16))
