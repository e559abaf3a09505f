"""Where the handlers of a receiver are in the source, and what each of them takes."""

import ast
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any, TypeAlias

from coffrify_webhooks.router import Router

__all__ = ["Function", "Handled", "handlers_of"]

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Handled:
    """One handler of a user's."""

    name: str
    patterns: tuple[str, ...]
    events: frozenset[str]
    """The types of the old catalog that it wants."""
    module: str
    file: Path
    node: Function
    event: str
    """The name of the parameter that is the event."""
    is_typed: bool
    """Whether that parameter is annotated, so that a type checker knows what it is."""

    @property
    def first_line(self) -> int:
        """Where it begins, its decorators included."""
        decorators = () if isinstance(self.node, ast.Lambda) else self.node.decorator_list
        return min([self.node.lineno, *(each.lineno for each in decorators)])

    def holds(self, file: Path, line: int) -> bool:
        """Tell whether a line is in it."""
        end = self.node.end_lineno or self.node.lineno
        return file == self.file and self.first_line <= line <= end


def handlers_of(router: Router, types: Iterable[str]) -> list[Handled]:
    """Return the handlers whose source can be found; types: those of the old catalog."""
    known = list(types)
    trees: dict[Path, ast.Module | None] = {}
    found: list[Handled] = []
    for handler in router.handlers:
        code, bound = _code_of(handler.fn)
        if code is None:
            continue
        file = Path(code.co_filename).resolve()
        if file not in trees:
            trees[file] = _parse(file)
        node = _function_at(trees[file], code)
        parameters = [] if node is None else [*node.args.posonlyargs, *node.args.args][bound:]
        if node is None or not parameters:
            continue
        events = frozenset(each for each in known if handler.wants(each, known=True))
        found.append(
            Handled(
                handler.name,
                handler.patterns,
                events,
                _module_of(file, str(getattr(handler.fn, "__module__", ""))),
                file,
                node,
                parameters[0].arg,
                is_typed=parameters[0].annotation is not None,
            )
        )
    return found


def _code_of(fn: Any) -> tuple[CodeType | None, int]:
    """Return the code of what is called in the end, and how many of its parameters are bound."""
    bound = 0
    while isinstance(fn, partial):
        bound += len(fn.args)
        fn = fn.func
    fn = inspect.unwrap(fn)
    if not inspect.isfunction(fn):  # a method, or an object that can be called
        bound += 1
        fn = getattr(fn, "__func__", None) or inspect.getattr_static(fn, "__call__", None)
    code = getattr(fn, "__code__", None)
    return (code if isinstance(code, CodeType) else None), bound


def _parse(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _function_at(tree: ast.Module | None, code: CodeType) -> Function | None:
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Lambda) and code.co_name == "<lambda>":
            if node.lineno == code.co_firstlineno:
                return node
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if node.name == code.co_name and first == code.co_firstlineno:
                return node
    return None


def _module_of(file: Path, named: str) -> str:
    """Return the name under which a file was imported; a decorator may have another module."""
    found = sys.modules.get(named)
    if found is not None and _file_of(found) == file:
        return named
    names = [name for name, each in list(sys.modules.items()) if _file_of(each) == file]
    return next((name for name in names if name != "__main__"), named)


def _file_of(module: Any) -> Path | None:
    path = getattr(module, "__file__", None)
    return Path(path).resolve() if isinstance(path, str) else None
