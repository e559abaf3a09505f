"""Renders the named objects of one module as Python source.

datamodel-code-generator generates classes from schemas whose properties have placeholders for
names, so it has nothing to rename. emit.py then writes its output again with our names, aliases and
descriptions, and refuses it unless it consists of exactly the requested classes.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datamodel_code_generator import GenerateConfig
from datamodel_code_generator import generate as generate_code
from datamodel_code_generator.enums import DataModelType, InputFileType
from datamodel_code_generator.format import DatetimeClassType, Formatter, PythonVersion
from datamodel_code_generator.parser import LiteralType

from coffrify_webhooks_codegen.schema.lower import Schema

from .class_names import Objects
from .emit import ClassSource, FieldSource, emit_module, placeholder
from .event_names import EventName
from .source_guard import SHARED

__all__ = ["event_module", "shared_module"]

_BASE = "coffrify_webhooks.event"
# Placeholders for files; both are mapped to imports and never opened.
_EVENT_FILE, _SHARED_FILE = "event.json", "shared.json"
# The shared module has no class of its own; the generator wants one, which is left out then.
_NO_ROOT = "EventModelUnused"
_TEXTS = {"date-time": "Timestamp", "date": "Date", "uuid": "Uuid"}
_NULL: Schema = {"type": "null"}


def event_module(
    name: EventName, description: str, data: Schema, own: Objects, attributes: Mapping[str, str]
) -> str:
    """Return the module of one event type; `attributes` maps each property to its attribute."""
    needed = ["type"] if _admits_null(data) else ["type", "data"]
    properties = {"type": {"const": name.type}, "data": data}
    root: Schema = {"type": "object", "properties": properties, "required": needed}
    if description:
        root["description"] = description
    wanted = _class_sources(own, attributes)
    wanted[name.class_name] = _class(root, "Event", {"type": "type", "data": "data"})
    return _module({"title": name.class_name, **root}, own, wanted)


def shared_module(shared: Objects, attributes: Mapping[str, str]) -> str:
    """Return the module of the classes that several events share."""
    about = '"""What several events carry."""\n'
    if not shared:
        return about
    root: Schema = {"title": _NO_ROOT, "type": "object", "properties": {}, "required": []}
    return f"{about}\n{_module(root, shared, _class_sources(shared, attributes))}"


def _class_sources(own: Objects, attributes: Mapping[str, str]) -> dict[str, ClassSource]:
    return {
        name: _class(schema, "LooseModel" if schema.get("untyped") else "EventModel", attributes)
        for name, schema in own.items()
    }


def _class(schema: Schema, base: str, attributes: Mapping[str, str]) -> ClassSource:
    properties: Mapping[str, Schema] = schema["properties"]
    fields = (
        FieldSource(attributes[key], key, value.get("description", ""))
        for key, value in properties.items()
    )
    return ClassSource(base, schema.get("description", ""), tuple(fields))


def _module(root: Schema, own: Objects, wanted: Mapping[str, ClassSource]) -> str:
    definitions = {name: {**_object(own[name], own), "title": name} for name in sorted(own)}
    document = {**_object(root, own), "title": root["title"], "$defs": definitions}
    return emit_module(_generate(json.dumps(document)), wanted)


@lru_cache(maxsize=128)  # a poll, or a second catalog, has most modules in common with the first
def _generate(text: str) -> str:
    """Return what the generator makes of a document; it takes a tenth of a second."""
    document = json.loads(text)
    with TemporaryDirectory() as empty:
        config = GenerateConfig(
            input_file_type=InputFileType.JsonSchema,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            class_name=document["title"],
            use_title_as_name=True,
            base_class=f"{_BASE}.EventModel",
            use_union_operator=True,
            use_standard_collections=True,
            enum_field_as_literal=LiteralType.All,
            output_datetime_class=DatetimeClassType.Datetime,
            collapse_root_models=True,
            strict_nullable=False,
            use_double_quotes=True,
            disable_timestamp=True,
            disable_future_imports=True,
            custom_file_header="#",
            formatters=[Formatter.BUILTIN],
            allow_remote_refs=False,
            external_ref_mapping={_EVENT_FILE: _BASE, _SHARED_FILE: SHARED},
            # Otherwise the pyproject.toml of the working directory would be read.
            settings_path=Path(empty),
        )
        output = generate_code(document, config=config)
    if not isinstance(output, str):
        raise TypeError("the generator did not return exactly one module")
    return output


def _object(schema: Schema, own: Objects) -> Schema:
    """Return an object for the generator, with placeholders for the names of its properties."""
    required: list[str] = schema["required"]
    properties: Mapping[str, Schema] = schema["properties"]
    names = {key: placeholder(number) for number, key in enumerate(properties)}
    return {
        "type": "object",
        "properties": {
            names[key]: _input(value, own, optional=key not in required)
            for key, value in properties.items()
        },
        "required": [names[key] for key in required],
    }


def _input(schema: Schema, own: Objects, *, optional: bool) -> Schema:
    """Return a lowered schema in the form that the generator renders best."""
    branches = [item for branch in schema.get("anyOf", [schema]) for item in _branches(branch, own)]
    # A field alone is optional by itself, and costs half.
    if optional and len(branches) > 1 and {} not in branches and _NULL not in branches:
        branches.append(_NULL)
    if branches == [_NULL]:
        branches = [Schema()]  # a field that can hold nothing but null is best left open
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _branches(schema: Schema, own: Objects) -> list[Schema]:
    bare: dict[str, Any] = {key: schema[key] for key in schema if key != "description"}
    if "$ref" in bare:
        name = bare["$ref"]
        return [{"$ref": f"{'' if name in own else _SHARED_FILE}#/$defs/{name}"}]
    if (text := _TEXTS.get(bare.get("format", ""))) is not None:
        return [{"$ref": f"{_EVENT_FILE}#/$defs/{text}"}]
    if "enum" in bare:
        return [bare, {"type": "string"}]
    for keyword in ("items", "additionalProperties"):
        if keyword in bare:
            return [{**bare, keyword: _input(bare[keyword], own, optional=False)}]
    return [bare]


def _admits_null(schema: Schema) -> bool:
    branches: list[Schema] = schema.get("anyOf", [schema])
    return any(
        not branch.keys() - {"description"} or branch.get("type") == "null" for branch in branches
    )
