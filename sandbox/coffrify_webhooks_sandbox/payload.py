"""Makes random payloads by varying the catalog's example within its schema.

A value of the example shows what the field looks like: an id stays an id of its kind, a file name
a file name. Equal values stay equal, and times keep their distances. Values that the schema
requires and the example does not show are generated.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .errors import SandboxError
from .limits import DEEPEST
from .resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

__all__ = ["random_data"]

_MISSING = object()
_DEEPEST = 12
_MOST_ITEMS = 3
_LONGEST = 1000
"""The most characters of a string, and items of a list, that a schema may require."""
_MOST_VALUES = 20_000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_RUN = re.compile(r"[0-9]+|[A-Z]+|[a-z]+")
_CODE = re.compile(r"[A-Za-z0-9-]{6,200}")
_WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "iris",
    "juniper",
)


def random_data(schema: Any, example: Any, now: float, random: Random) -> Any:
    """Make data for a schema, as far as it is understood; `EventTypes.make` checks that it fits.

    example: data of the event type, or None. now: seconds since 1970; times lie around it. Raises
    SandboxError for a schema that requires too much, or that is not understood.
    """
    shown = _MISSING if example is None else example
    try:
        return _Maker(schema, _earliest(example), now, random).value(schema, shown, _DEEPEST)
    except Exception as error:
        message = "no data could be generated from the schema; provide the data"
        raise SandboxError(400, "no_data", message, "data") from error


class _Maker:
    def __init__(self, root: Any, earliest: datetime | None, now: float, random: Random) -> None:
        self._root = root
        self._now = datetime.fromtimestamp(now, UTC)
        self._shift = self._now - (earliest or self._now)
        self._random = random
        self._fresh: dict[str, str] = {}
        self._left = _MOST_VALUES
        self._resolved: dict[int, tuple[Any, Mapping[str, Any]]] = {}
        """By the identity of a part of the schema: that part, and what it comes to."""

    def value(self, schema: Any, example: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth < _DEEPEST - DEEPEST:
            raise ValueError("the schema asks for too much")
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        for key in ("oneOf", "anyOf"):
            if branches := schema.get(key):
                return self.value(branches[0], example, depth - 1)
        kinds = _kinds(schema)
        if example is None and "null" in kinds:
            return None
        if example is _MISSING and depth <= 0 and "null" in kinds:
            return None
        kind = _kind_of(example) if example is not _MISSING else ""
        if kind not in kinds:
            kind = next((kind for kind in kinds if kind != "null"), "null")
        return self._of_kind(kind, schema, example, depth)

    def _resolve(self, schema: Any) -> Mapping[str, Any]:
        known, found = self._resolved.get(id(schema), (None, {}))
        if known is not schema:
            found = resolve(schema, self._root)
            self._left -= len(_object_of(found.get("properties"))) // 50
            self._resolved[id(schema)] = schema, found
        return found

    def _of_kind(self, kind: str, schema: Mapping[str, Any], example: Any, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, example, depth)
            case "array":
                return self._array(schema, example, depth)
            case "string":
                return self._text(schema, example)
            case "integer":
                return round(self._number(schema, example))
            case "number":
                return round(self._number(schema, example), 2)
            case "boolean":
                return self._random.choice((True, False))
            case _:
                return None

    def _object(self, schema: Mapping[str, Any], example: Any, depth: int) -> dict[str, Any]:
        shown = _object_of(example)
        wanted = schema.get("required")
        asked = [name for name in wanted if isinstance(name, str)] if is_list(wanted) else []
        fields = _object_of(schema.get("properties"))
        made: dict[str, Any] = {}
        for name in [*dict.fromkeys([*shown, *asked])]:
            if name not in asked and depth <= 0:
                continue
            known = fields.get(name, schema.get("additionalProperties", True))
            if known is False:
                continue
            made[name] = self.value(known, shown.get(name, _MISSING), depth - 1)
        return made

    def _array(self, schema: Mapping[str, Any], example: Any, depth: int) -> list[Any]:
        shown: list[Any] = example if is_list(example) else []
        least = _check_size(schema.get("minItems", 0))
        first, items = _items_of(schema)
        most = max(least, min(schema.get("maxItems", _MOST_ITEMS), len(shown) or _MOST_ITEMS))
        count = least if depth <= 0 else self._random.randint(max(least, min(1, most)), most)
        if items is False:
            count = min(count, len(first))
        return [
            self.value(
                first[index] if index < len(first) else items,
                shown[index % len(shown)] if shown else _MISSING,
                depth - 1,
            )
            for index in range(count)
        ]

    def _number(self, schema: Mapping[str, Any], example: Any) -> float:
        shown = example if isinstance(example, (int, float)) else 100
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) or 0)
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + max(10, shown * 2)))
        step = schema.get("multipleOf")
        found: float = self._random.uniform(low, high)
        return found // step * step if step else found

    def _text(self, schema: Mapping[str, Any], example: Any) -> str:
        shown = example if isinstance(example, str) else ""
        if "pattern" in schema:
            return shown
        match schema.get("format"):
            case "date-time":
                return self._time(shown)
            case "date":
                return self._time(shown)[:10]
            case "uuid":
                return self._uuid()
            case "email":
                return f"{self._word()}@example.com"
            case "uri" | "url":
                return self._vary(shown) or f"https://example.com/{self._word()}"
            case _:
                text = self._vary(shown) or self._word()
        least = _check_size(schema.get("minLength", 0))
        most = schema.get("maxLength", len(text) + 1)
        return text[:most].ljust(least, "x")

    def _vary(self, shown: str) -> str:
        """Return another string of the same kind; plain words stay as they are."""
        if _STAMP.match(shown):
            return self._time(shown)
        if _UUID.fullmatch(shown):
            return self._fresh.setdefault(shown, self._uuid())
        head, _, name = shown.rpartition("/")
        prefix, _, code = name.rpartition("_")
        if not _is_code(code):
            return shown
        fresh = self._fresh.setdefault(code, _RUN.sub(self._characters, code))
        return "".join([head, "/" * bool(head), prefix, "_" * bool(prefix), fresh])

    def _characters(self, run: re.Match[str]) -> str:
        first = run[0][0]
        alphabet = "0123456789"
        if first.isalpha():
            alphabet = "abcdef" if first.islower() else "ABCDEF"
        return "".join(self._random.choices(alphabet, k=len(run[0])))

    def _time(self, shown: str) -> str:
        moment = _parse_moment(shown)
        moment = self._now if moment is None else moment + self._shift
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _word(self) -> str:
        return self._random.choice(_WORDS)


def _is_code(text: str) -> bool:
    """Tell whether a string looks like an id: lower-case letters mixed with digits or capitals."""
    if not _CODE.fullmatch(text):
        return False
    capitals = sum(each.isupper() for each in text)
    has_digit = any(each.isdecimal() for each in text)
    return any(each.islower() for each in text) and (has_digit or capitals > 1)


def _check_size(size: Any) -> int:
    if size > _LONGEST:
        raise ValueError("the schema asks for too much")
    return int(size)


def _items_of(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return the schemas of a list's first items, in either notation, and of all others."""
    items = schema.get("items", True)
    if is_list(items):
        return items, schema.get("additionalItems", True)
    first = schema.get("prefixItems")
    return first if is_list(first) else [], items


def _earliest(example: Any) -> datetime | None:
    left, found = [example], list[datetime]()
    while left:
        item = left.pop()
        if is_mapping(item):
            left += item.values()
        elif is_list(item):
            left += item
        elif isinstance(item, str) and (moment := _parse_moment(item)) is not None:
            found.append(moment)
    return min(found, default=None)


def _parse_moment(text: str) -> datetime | None:
    if not _STAMP.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _object_of(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    found = schema.get("type")
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return cast("list[str]", found)
    if "items" in schema:
        return ["array"]
    if "properties" in schema or "required" in schema:
        return ["object"]
    return ["object", "array", "string", "integer", "number", "boolean", "null"]


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"
