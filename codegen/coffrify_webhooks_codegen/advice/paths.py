"""Which parts of an event a handler uses, by the syntax tree: paths from its parameter."""

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from .handled import Function

__all__ = ["Use", "fits", "steps_of", "uses_of"]

Step: TypeAlias = str | None
"""The name of an attribute or a key; None is any item of a list, or any value of a map."""
_STEP = re.compile(r"""\[\]|\.\*|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]]+)""")
_OVER = {"values": 0, "items": 1}
"""Methods that yield the values of a map, and where in each item the value stands."""


class Use(NamedTuple):
    """A part of the event that is used at a line."""

    path: tuple[Step, ...]
    line: int


def steps_of(path: str) -> tuple[Step, ...]:
    """Return the steps of a path as the diff writes it: `data.files[].size`, `data["a.b"].*`."""
    steps: list[Step] = []
    for found in _STEP.finditer(path):
        quoted, name = found.groups()
        is_any = found[0] in ("[]", ".*")
        steps.append(None if is_any else name if quoted is None else quoted)
    return tuple(steps)


def fits(used: tuple[Step, ...], changed: tuple[Step, ...], keys: Mapping[str, str]) -> bool:
    """Tell whether what is used is what has changed; keys: the properties by their attributes."""
    return len(used) == len(changed) and all(
        mine == theirs or (mine is not None and keys.get(mine) == theirs)
        for mine, theirs in zip(used, changed, strict=True)
    )


def uses_of(function: Function, parameter: str) -> list[Use]:
    """Return each part of the event that a function uses, with the line, in the source's order."""
    reading = _Reading(parameter)
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    for node in body:
        reading.visit(node)
    return list(dict.fromkeys(reading.found))


class _Reading(ast.NodeVisitor):
    """Follows the names that stand for a part of the event, one statement after the other."""

    def __init__(self, parameter: str) -> None:
        self._names: dict[str, tuple[Step, ...]] = {parameter: ()}
        self.found: list[Use] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._use(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._use(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._use(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._bind(target, self._path(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._bind(node.target, self._path(node.value))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._bind(node.target, self._path(node.value))

    def visit_For(self, node: ast.For) -> None:
        self._loop(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._loop(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehend(node, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehend(node, node.elt)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehend(node, node.elt)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehend(node, node.key, node.value)

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._bind_item(node.target, node.iter)
        for each in (*node.body, *node.orelse):
            self.visit(each)

    def _comprehend(self, node: Any, *results: ast.expr) -> None:
        before = dict(self._names)
        for each in node.generators:
            self.visit(each.iter)
            self._bind_item(each.target, each.iter)
            for condition in each.ifs:
                self.visit(condition)
        for result in results:
            self.visit(result)
        self._names = before

    def _use(self, node: ast.expr) -> None:
        path = self._path(node)
        if path:
            self.found.append(Use(path, node.end_lineno or node.lineno))
        self.generic_visit(node)

    def _path(self, node: ast.expr) -> tuple[Step, ...] | None:
        """Return which part of the event an expression is; None if it is none."""
        path: tuple[Step, ...] | None = None
        match node:
            case ast.Name(id=name):
                path = self._names.get(name)
            case ast.Attribute(value=inner, attr=name):
                path = self._below(inner, name)
            case ast.Subscript(value=inner, slice=ast.Slice()) | ast.NamedExpr(value=inner):
                path = self._path(inner)
            case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
                path = self._below(inner, key)
            case ast.Subscript(value=inner):
                path = self._below(inner, None)
            case ast.Call(
                func=ast.Attribute(value=inner, attr="get"),
                args=[ast.Constant(value=str(key)), *_],
            ):
                path = self._below(inner, key)
            case _:
                pass
        return path

    def _below(self, inner: ast.expr, step: Step) -> tuple[Step, ...] | None:
        path = self._path(inner)
        return None if path is None else (*path, step)

    def _bind(self, target: ast.expr, path: tuple[Step, ...] | None) -> None:
        if isinstance(target, ast.Name):
            if path is None:
                self._names.pop(target.id, None)
            else:
                self._names[target.id] = path
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each in target.elts:
                self._bind(each, None)

    def _bind_item(self, target: ast.expr, iterated: ast.expr) -> None:
        """Bind what a loop gives one after the other."""
        place = None
        match iterated:
            case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
                iterated, place = inner, 1
            case ast.Call(func=ast.Name(id="sorted" | "reversed" | "list"), args=[inner, *_]):
                iterated = inner
            case ast.Call(func=ast.Attribute(value=inner, attr=name), args=[]) if name in _OVER:
                iterated, place = inner, _OVER[name] or None
            case _:
                pass
        path = self._below(iterated, None)
        self._bind(target, None if place else path)
        if place and isinstance(target, ast.Tuple) and len(target.elts) > place:
            self._bind(target.elts[place], path)
