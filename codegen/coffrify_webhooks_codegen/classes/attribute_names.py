"""Names the attributes of JSON properties, consistently throughout a package.

One property has one attribute in every class of a package, so an attribute keeps its meaning when
a class is split, shared or renamed. A property that Python can name keeps its name; for any other
a name is made, which no property of the catalog has, and none had before (see `lock.py`).
"""

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping

from .class_names import Objects

__all__ = ["attribute_names", "is_attribute", "keys_of"]

# What a class of pydantic's has by itself, its metaclass included. Spelled out, so that the
# classes are the same whichever release is installed.
_TAKEN = {
    *("construct", "copy", "dict", "from_orm", "json", "mro", "parse_file", "parse_obj"),
    *("parse_raw", "register", "schema", "schema_json", "update_forward_refs", "validate"),
    *("model_computed_fields", "model_config", "model_construct", "model_copy", "model_dump"),
    *("model_dump_json", "model_extra", "model_fields", "model_fields_set"),
    *("model_json_schema", "model_parametrized_name", "model_post_init", "model_rebuild"),
    *("model_validate", "model_validate_json", "model_validate_strings"),
}


def keys_of(*groups: Objects) -> set[str]:
    """Return the names of all properties of the objects."""
    return {
        key for objects in groups for schema in objects.values() for key in schema["properties"]
    }


def attribute_names(keys: Iterable[str], locked: Mapping[str, str]) -> dict[str, str]:
    """Return the attribute of each property; no two share one.

    locked: the attributes given before. They are kept, even for properties that are gone.
    """
    taken = {*locked.values()}
    new = sorted({*keys} - locked.keys())
    names = {**locked, **{key: key for key in new if is_attribute(key) and key not in taken}}
    taken |= {*names.values()}
    counts: dict[str, int] = {}
    for key in new:
        if key in names:
            continue
        name = free = _spell(key)
        count = counts.get(name, 0)
        while free in taken:
            count += 1
            free = f"{name}_{count}"
        counts[name] = count  # names are never given back: the search goes on from there
        taken.add(free)
        names[key] = free
    return names


def is_attribute(name: str) -> bool:
    """Tell whether a text can be the name of a field, unchanged by Python.

    Python normalises names (NFKC): `duration_µs` with a micro sign would become another name.
    """
    return (
        name.isidentifier()
        and not name.startswith("_")  # which pydantic takes for private
        and not keyword.iskeyword(name)
        and name not in _TAKEN
        and unicodedata.normalize("NFKC", name) == name
    )


def _spell(key: str) -> str:
    text = unicodedata.normalize("NFKC", key)
    text = "".join(char if f"a{char}".isidentifier() else "_" for char in text)
    if text.startswith("_") or not text:
        text = f"field{text or '_'}"
    elif not text.isidentifier():  # it starts with a digit, or a mark
        text = f"field_{text}"
    text = unicodedata.normalize("NFKC", text)
    if is_attribute(text):
        return text
    if is_attribute(f"{text}_"):
        return f"{text}_"
    return re.sub(r"[^A-Za-z0-9_]", "_", f"field_{text}")
