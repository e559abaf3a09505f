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
    try:
        return json.dumps(found, indent=indent, separators=separators, default=to_jsonable_python)
    except RecursionError:
        return _dump_deep(found, indent)


_OF_JSON = ("mode", "indent", "ensure_ascii")


def _replace_characters(value: Any, table: dict[int, int]) -> Any:
    """Copy a value with the characters of a table replaced in its texts, keys among them.

    Without recursion: it may be nested deeper than Python lets a function call itself.
    """
    root: list[Any] = [value]
    pending: list[list[Any] | dict[Any, Any]] = [root]
    while pending:
        container = pending.pop()
        places: Any = range(len(container)) if isinstance(container, list) else list(container)
        for place in places:
            found = container[place]
            if isinstance(found, str):
                container[place] = _replace_in_text(found, table)
            elif isinstance(found, list):
                copied: list[Any] = list(found)  # pyright: ignore[reportUnknownArgumentType]
                container[place] = copied
                pending.append(copied)
            elif isinstance(found, dict):
                container[place] = members = _replace_in_keys(found, table)
                pending.append(members)
            elif isinstance(found, BaseModel):
                container[place] = model = found.model_copy()
                fields = {_replace_in_text(each, table) for each in found.model_fields_set}
                _set(model, "__pydantic_fields_set__", fields)
                members = _replace_in_keys(found.__dict__, table)
                _set(model, "__dict__", members)
                pending.append(members)
                if found.model_extra is not None:
                    members = _replace_in_keys(found.model_extra, table)
                    _set(model, "__pydantic_extra__", members)
                    pending.append(members)
    return root[0]


def _replace_in_text(text: str, table: dict[int, int]) -> str:
    return text if text.isascii() else text.translate(table)


def _replace_in_keys(members: Any, table: dict[int, int]) -> dict[Any, Any]:
    return {
        _replace_in_text(key, table) if isinstance(key, str) else key: each
        for key, each in members.items()
    }


def _dump_deep(value: Any, indent: int | None) -> str:
    """Return what `json.dumps` would, without recursion."""
    parts: list[str] = []
    pending: list[tuple[Any, int]] = [(value, 0)]
    """Values with their level, and texts to write as they are, with none."""

    def line(level: int) -> str:
        return "" if indent is None else "\n" + " " * indent * level

    while pending:
        found, level = pending.pop()
        if level < 0:
            parts.append(found)
        elif found and isinstance(found, (dict, list)):
            is_dict = isinstance(found, dict)
            container = cast("Any", found)
            members: Any = container.items() if is_dict else zip(container, container, strict=True)
            inside: list[tuple[Any, int]] = []
            for name, each in members:
                key = f"{json.dumps(name)}:{' ' * (indent is not None)}" if is_dict else ""
                before = "," if inside else "[{"[is_dict]
                inside += (f"{before}{line(level + 1)}{key}", -1), (each, level + 1)
            pending.append((f"{line(level)}{']}'[is_dict]}", -1))
            pending += reversed(inside)
        else:
            parts.append(json.dumps(found, default=to_jsonable_python))
    return "".join(parts)
