"""Writes the classes that the generator made again, under our own names.

The generator says what type each field is of, in which order the classes stand, and what is a
forward reference. What fields are called, their aliases and their words come from the schemas.

In the body of a class a field hides whatever else has its name: after `str: str | None = None`
the name `str` means None. So where a field of the module is called like a type that annotations
mention, that type gets another name, with an underscore, which no field begins with.
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .annotation import Annotation, annotation_of, quote
from .source_guard import SHARED, SOURCES, GuardedSource

__all__ = ["ClassSource", "FieldSource", "emit_module", "placeholder"]

_WIDEST = 100


@dataclass(frozen=True)
class FieldSource:
    """The attribute, the property and the description of a field."""

    attribute: str
    key: str
    description: str = ""


@dataclass(frozen=True)
class ClassSource:
    """The base, the description and the fields of a class, without types."""

    base: str
    description: str
    fields: tuple[FieldSource, ...]


def placeholder(number: int) -> str:
    """Return a field name that the generator leaves unchanged."""
    return f"f{number}"


def emit_module(source: str, wanted: Mapping[str, ClassSource]) -> str:
    """Return a module of the wanted classes, with the types in the generator's source."""
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in wanted]
    shared = {
        item.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == SHARED
        for item in node.names
    }
    hidden = {field.attribute for each in wanted.values() for field in each.fields}
    hidden &= {*wanted, *shared, *(name for names in SOURCES.values() for name in names)}
    body = "\n\n\n".join(_class(node, wanted[node.name], hidden) for node in classes)
    guarded = GuardedSource(f"{_imports(shared, hidden)}\n{body}", wanted)
    return f"{guarded.imports()}\n\n\n{body}\n"


def _imports(shared: Collection[str], hidden: Collection[str]) -> str:
    """Import everything that the classes could need; unused imports are removed later."""
    lines = [f"from .{SHARED} import {_import(name, hidden)}" for name in sorted(shared)]
    for module, names in SOURCES.items():
        for name in sorted(names):
            if module != "builtins" or name in hidden:
                lines.append(f"from {module} import {_import(name, hidden)}")
            if name in hidden:  # as the base of a class it goes by its own name
                lines.append(f"from {module} import {name}")
    return "\n".join(lines)


def _import(name: str, hidden: Collection[str]) -> str:
    return f"{name} as _{name}" if name in hidden else name


def _class(node: ast.ClassDef, wanted: ClassSource, hidden: Collection[str]) -> str:
    found = {
        statement.target.id: statement
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    if len(found) != len(wanted.fields):
        raise RuntimeError(f"{node.name}: {len(found)} fields for {len(wanted.fields)} properties")
    blocks = [
        _field(field, found[placeholder(number)], hidden)
        for number, field in enumerate(wanted.fields)
    ]
    head = f"class {node.name}({wanted.base}, frozen=True):\n"
    if wanted.description:
        head += f'    """{wanted.description}"""\n' + "\n" * bool(blocks)
    elif not blocks:
        head += "    pass"
    second = f"\n\n\n_{node.name} = {node.name}" if node.name in hidden else ""
    return (head + "\n".join(blocks)).rstrip("\n") + second


def _field(field: FieldSource, statement: ast.AnnAssign, hidden: Collection[str]) -> str:
    annotation = annotation_of(statement.annotation, hidden)
    default = "" if statement.value is None else " = None"
    line = _line(field, annotation, default, hidden)
    return f'{line}\n    """{field.description}"""' if field.description else line


def _line(field: FieldSource, annotation: Annotation, default: str, hidden: Collection[str]) -> str:
    head = f"    {field.attribute}: "
    if field.attribute == field.key:
        line = f"{head}{annotation.text}{default}"
        if len(line) <= _WIDEST or len(annotation.arms) == 1:
            return line
        arms = "\n        | ".join(annotation.arms)
        return f"{head}(\n        {arms}\n    ){default}"
    annotated, called = (f"_{name}" if name in hidden else name for name in ("Annotated", "Field"))
    alias = f"{called}(alias={quote(field.key)})"
    line = f"{head}{annotated}[{annotation.text}, {alias}]{default}"
    if len(line) <= _WIDEST:
        return line
    return f"{head}{annotated}[\n        {annotation.text},\n        {alias},\n    ]{default}"
