"""Dumps of events that pydantic refuses: with half a character in a text, or nested very deep.

JSON may hold half of a surrogate pair, as in a file name that was cut, and it is signed like any
other. While pydantic works, such halves are hidden as characters of private use.
"""

import json
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

__all__ = ["dump", "dump_json"]

_HIDE = {half: half - 0xD800 + 0x10F800 for half in range(0xD800, 0xE000)}
_SHOW = {hidden: half for half, hidden in _HIDE.items()}
_set = object.__setattr__


def dump(model: BaseModel, options: dict[str, Any]) -> dict[str, Any]:
    """Return what `model_dump` would, if it took every text; halves stay as they are."""
    if options.get("mode", "python") != "python":
        return cast("dict[str, Any]", json.loads(dump_json(model, options)))
    found = BaseModel.model_dump(_replace_characters(model, _HIDE), **options)
    return cast("dict[str, Any]", _replace_characters(found, _SHOW))


def dump_json(model: BaseModel, options: dict[str, Any]) -> str:
    """Return what `model_dump_json` would, all in ASCII: halves are escaped, as they came."""
    python = {name: each for name, each in options.items() if name not in _OF_JSON}
    indent = options.get("indent")
    separators = (",", ":") if indent is None else None
    found = dump(model, python)
    return json.dumps(found, indent=indent, separators=separators, default=to_jsonable_python)


_OF_JSON = ("mode", "indent", "ensure_ascii")


def _replace_characters(value: Any, table: dict[int, int]) -> Any:
    """Copy a value with the characters of a table replaced in its texts, keys among them."""
    if isinstance(value, str):
        return value if value.isascii() else value.translate(table)
    if isinstance(value, list):
        found: list[Any] = cast("Any", value)
        return [_replace_characters(each, table) for each in found]
    if isinstance(value, dict):
        members: dict[Any, Any] = cast("Any", value)
        return {
            _replace_characters(key, table): _replace_characters(each, table)
            for key, each in members.items()
        }
    if isinstance(value, BaseModel):
        copy = value.model_copy()
        _set(copy, "__dict__", _replace_characters(value.__dict__, table))
        _set(copy, "__pydantic_extra__", _replace_characters(value.model_extra, table))
        _set(
            copy,
            "__pydantic_fields_set__",
            {_replace_characters(e, table) for e in value.model_fields_set},
        )
        return copy
    return value
