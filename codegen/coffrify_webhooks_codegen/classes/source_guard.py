"""Refuses generated source that does more than declare classes and fields.

A catalog comes from the network, and its text ends up in Python modules. This is the last check,
after lowering and rendering: the source is parsed, and any syntax but the few known forms is
refused.
"""

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass

__all__ = ["SHARED", "SOURCES", "GuardedSource", "UnsafeSourceError"]

SHARED = "_shared"
_BUILTINS = {"bool", "dict", "float", "int", "list", "str"}
SOURCES = {
    "builtins": _BUILTINS,  # imported under another name where a field is called like one
    "typing": {"Annotated", "Any", "Literal"},
    "pydantic": {"Field"},
    "coffrify_webhooks.event": {"Date", "Event", "EventModel", "LooseModel", "Timestamp", "Uuid"},
}
_GROUPS = (
    ("builtins", "typing"),
    ("pydantic",),
    ("coffrify_webhooks.event",),
    (SHARED,),
)
_WIDEST = 100


class UnsafeSourceError(Exception):
    """Generated source that does more than declare fields, or lacks a requested class."""


@dataclass(frozen=True)
class _Import:
    module: str
    name: str
    local: str

    def __str__(self) -> str:
        return self.name if self.name == self.local else f"{self.name} as {self.local}"


class GuardedSource:
    """Checked source of the wanted classes; raises UnsafeSourceError for anything else."""

    def __init__(self, source: str, wanted: Collection[str]) -> None:
        self._imports: dict[str, _Import] = {}
        self.classes: list[str] = []
        self._texts: list[ast.expr] = []
        tree = ast.parse(source)
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        self._known = {*_BUILTINS, *(node.name for node in classes)}
        self._known |= {f"_{name}" for name in self._known - _BUILTINS}
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                self._check_class(node)
                self.classes.append(node.name)
            elif isinstance(node, ast.ImportFrom):
                self._check_import(node)
            elif not _is_alias(node, classes):
                _refuse(node)
        if sorted(self.classes) != sorted(wanted):
            raise UnsafeSourceError(f"wanted {sorted(wanted)}, found {sorted(self.classes)}")
        names = [node for each in [*classes, *self._texts] for node in ast.walk(each)]
        self._used = {
            node.id
            for node in names
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    def imports(self) -> str:
        """Return the imports that the classes need, in the usual order."""
        used = [item for local, item in self._imports.items() if local in self._used]
        groups: list[str] = []
        for group in _GROUPS:
            lines = [
                _line(module, sorted(str(item) for item in used if item.module == module))
                for module in group
            ]
            if any(lines):
                groups.append("\n".join(filter(None, lines)))
        return "\n\n".join(groups)

    def _check_import(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        for item in node.names:
            if module != SHARED and item.name not in SOURCES.get(module, ()):
                _refuse(node)
            local = item.asname or item.name
            self._imports[local] = _Import(module, item.name, local)

    def _check_class(self, node: ast.ClassDef) -> None:
        frozen = [ast.unparse(keyword) for keyword in node.keywords] == ["frozen=True"]
        bases = [base.id if isinstance(base, ast.Name) else "" for base in node.bases]
        if node.decorator_list or not frozen or len(bases) != 1:
            _refuse(node)
        if self._original(bases[0]) not in {"Event", "EventModel", "LooseModel"}:
            _refuse(node)
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self._check_field(statement)
            elif not isinstance(statement, ast.Pass) and not (
                isinstance(statement, ast.Expr) and _is_text(statement.value)
            ):
                _refuse(statement)

    def _check_field(self, node: ast.AnnAssign) -> None:
        default = node.value
        if not isinstance(node.target, ast.Name):
            _refuse(node)
        if default is not None and not (
            isinstance(default, ast.Constant) and default.value is None
        ):
            _refuse(node)
        self._check_annotation(node.annotation)

    def _check_annotation(self, node: ast.expr, *, quoted: bool = False) -> None:
        match node:
            case ast.Name(id=name) if name in self._known or name in self._imports:
                pass
            case ast.Constant(value=None):
                pass
            case ast.Constant(value=str(text)) if not quoted:
                inner = ast.parse(text, mode="eval").body
                self._texts.append(inner)
                self._check_annotation(inner, quoted=True)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self._check_annotation(left, quoted=quoted)
                self._check_annotation(right, quoted=quoted)
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                if self._original(name) == "Literal":
                    _check_texts(node, items)
                else:
                    self._check_all(items, quoted=quoted)
            case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
                if self._original(name) != "Field":
                    _refuse(node)
                _check_texts(node, [keyword.value for keyword in keywords])
            case _:
                _refuse(node)

    def _check_all(self, nodes: Iterable[ast.expr], *, quoted: bool) -> None:
        for node in nodes:
            self._check_annotation(node, quoted=quoted)

    def _original(self, local: str) -> str:
        """Return the original name of an import, which may have another local name."""
        found = self._imports.get(local)
        return found.name if found and found.module != SHARED else ""


def _line(module: str, names: list[str]) -> str:
    place = f".{module}" if module == SHARED else module
    line = f"from {place} import {', '.join(names)}"
    if len(line) > _WIDEST:
        return f"from {place} import (\n{''.join(f'    {name},{chr(10)}' for name in names)})"
    return line if names else ""


def _is_alias(node: ast.stmt, classes: Iterable[ast.ClassDef]) -> bool:
    """Tell whether a statement gives a class its second name, for where a field hides the first."""
    match node:
        case ast.Assign(targets=[ast.Name(id=alias)], value=ast.Name(id=name)):
            return alias == f"_{name}" and any(each.name == name for each in classes)
        case _:
            return False


def _check_texts(parent: ast.expr, nodes: Iterable[ast.expr]) -> None:
    if not all(_is_text(node) for node in nodes):
        _refuse(parent)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _refuse(node: ast.AST) -> None:
    raise UnsafeSourceError(f"generated source contains more than fields: {ast.unparse(node)[:80]}")
