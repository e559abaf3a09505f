"""Rendering: hoisted schemas become the source of one module.

datamodel-code-generator writes the classes. What it writes is read again and refused unless it
consists of nothing but the imports, classes and fields that were asked for.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datamodel_code_generator import GenerateConfig
from datamodel_code_generator import generate as generate_code
from datamodel_code_generator.enums import DataModelType, InputFileType
from datamodel_code_generator.format import DatetimeClassType, Formatter, PythonVersion
from datamodel_code_generator.parser import LiteralType

from coffrify_webhooks_codegen.hoist import Objects
from coffrify_webhooks_codegen.inert import SHARED, InertSource
from coffrify_webhooks_codegen.lower import Schema
from coffrify_webhooks_codegen.unions import spelled

__all__ = ["event_module", "shared_module"]

_BASE = "coffrify_webhooks.event"
# Stand-ins for files; both are mapped to imports and never opened.
_EVENT_FILE, _SHARED_FILE = "event.json", "shared.json"
_HEADER = re.compile(r"^class (\w+)\((Event|EventModel|LooseModel)\):$", re.MULTILINE)
_REBUILD = re.compile(r"^\w+\.model_rebuild\(\)\n?", re.MULTILINE)
# The shared module has no class of its own; the generator wants one, which is then cut out.
_NO_ROOT = "EventModelUnused"
_ROOT_CLASS = re.compile(rf"^class {_NO_ROOT}\(EventModel\):\n    pass(?:\n|$)", re.MULTILINE)
_TEXTS = {"date-time": "Timestamp", "date": "Date", "uuid": "Uuid"}
_NULL: Schema = {"type": "null"}


def event_module(
    event_type: str, class_name: str, description: str, data: Schema, own: Objects
) -> str:
    """Write the module of one event type."""
    required = ["type"] if _admits_null(data) else ["type", "data"]
    root: Schema = {
        "title": class_name,
        "type": "object",
        "properties": {
            "type": {"const": event_type},
            "data": _input(data, own, optional="data" not in required),
        },
        "required": required,
    }
    if description:
        root["description"] = description
    return _module(root, own, {class_name: f"{_BASE}.Event"})


def shared_module(shared: Objects) -> str:
    """Write the module of the classes that several events have in common."""
    about = '"""What several events carry."""\n'
    root: Schema = {"title": _NO_ROOT, "type": "object"}
    return f"{about}\n{_module(root, shared, {})}" if shared else about


def _module(root: Schema, own: Objects, bases: Mapping[str, str]) -> str:
    document = {**root, "$defs": {name: _object(name, own) for name in sorted(own)}}
    loose = {name: f"{_BASE}.LooseModel" for name in own if own[name].get("untyped")}
    source = _generated(document, {**bases, **loose})
    source = _ROOT_CLASS.sub("", source)
    source = _REBUILD.sub("", source)  # the models build themselves when first used
    source = spelled(source)
    source, count = _HEADER.subn(r"class \1(\2, frozen=True):", source)
    inert = InertSource(source, {*own, *bases})
    if count != len(inert.classes):
        raise RuntimeError(f"{count} class headers for {len(inert.classes)} classes")
    body = source[source.index("\nclass ") :].strip()
    return f"{inert.imports()}\n\n\n{body}\n"


def _generated(document: Schema, bases: Mapping[str, str]) -> str:
    with TemporaryDirectory() as empty:
        config = GenerateConfig(
            input_file_type=InputFileType.JsonSchema,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            class_name=document.get("title"),
            use_title_as_name=True,
            base_class=f"{_BASE}.EventModel",
            base_class_map=dict(bases),
            use_annotated=True,
            field_constraints=True,
            use_union_operator=True,
            use_standard_collections=True,
            enum_field_as_literal=LiteralType.All,
            output_datetime_class=DatetimeClassType.Datetime,
            collapse_root_models=True,
            strict_nullable=False,
            use_schema_description=True,
            use_field_description=True,
            use_single_line_docstring=True,
            use_double_quotes=True,
            disable_timestamp=True,
            disable_future_imports=True,
            custom_file_header="#",
            formatters=[Formatter.BUILTIN],
            builtin_format_line_length=100,
            allow_remote_refs=False,
            external_ref_mapping={_EVENT_FILE: _BASE, _SHARED_FILE: SHARED},
            # Otherwise the pyproject.toml of the working directory would have a say.
            settings_path=Path(empty),
        )
        output = generate_code(document, config=config)
    if not isinstance(output, str):
        raise TypeError("one module was asked for, and another number of them came")
    return output


def _object(name: str, own: Objects) -> Schema:
    schema = own[name]
    required: list[str] = schema["required"]
    properties: Mapping[str, Schema] = schema["properties"]
    return {
        **{key: schema[key] for key in schema if key != "untyped"},
        "title": name,
        "properties": {
            key: _input(value, own, optional=key not in required)
            for key, value in properties.items()
        },
    }


def _input(schema: Schema, own: Objects, *, optional: bool) -> Schema:
    """Spell a lowered schema in the words that the generator renders best."""
    branches = [item for branch in schema.get("anyOf", [schema]) for item in _branches(branch, own)]
    # A field alone is optional by itself, and costs half; beside a `$ref` its words would be lost.
    told = "description" in schema and "$ref" in branches[0]
    if optional and (told or len(branches) > 1) and {} not in branches and _NULL not in branches:
        branches.append(_NULL)
    if branches == [_NULL]:
        branches = [Schema()]  # a field that can hold nothing but null is best left open
    form: Schema = branches[0] if len(branches) == 1 else {"anyOf": branches}
    if "description" in schema and "$ref" not in form:
        return {**form, "description": schema["description"]}
    return form


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
