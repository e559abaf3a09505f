"""Describes lowered types in Python's notation, and fields as paths."""

import json
import re

from .lower import Schema

__all__ = ["field_path", "in_python"]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 120
_PYTHON = {
    "null": "None",
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "date-time": "datetime",
    "date": "date",
    "uuid": "UUID",
}


def field_path(path: str, name: str) -> str:
    """Append a field to a path; an ambiguous name is quoted."""
    # json.dumps escapes whatever a terminal might act upon.
    return f"{path}.{name}" if _PLAIN.fullmatch(name) else f"{path}[{json.dumps(name)}]"


def in_python(schema: Schema, *, optional: bool = False) -> str:
    """Return a type as a short annotation: an enumeration is a `str`."""
    parts = dict.fromkeys(_spell(branch) for branch in schema.get("anyOf", [schema]))
    if optional and "Any" not in parts:
        parts["None"] = None
    text = " | ".join(parts)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _spell(branch: Schema) -> str:
    if "$ref" in branch:
        return str(branch["$ref"])
    if "const" in branch:
        return f"Literal[{json.dumps(branch['const'])}]"
    kind = branch.get("type")
    if kind == "array":
        return f"list[{in_python(branch['items'])}]"
    if kind == "object":
        return f"dict[str, {in_python(branch.get('additionalProperties', {}))}]"
    return _PYTHON[str(branch.get("format", kind))] if kind else "Any"
