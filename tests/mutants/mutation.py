"""Mutates a module's syntax tree: one small mistake at a time, as a programmer makes them."""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Mutant", "mutants_of", "mutate"]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Mod: ast.Mult, ast.Div: ast.Mult,
}  # fmt: skip


class Mutant(NamedTuple):
    """One changed place of a module."""

    number: int
    """The place's index in the walk over the tree."""
    text: str
    """`function: before -> after`, the same while the code is; lines may move."""
    line: int


class _Walk(ast.NodeTransformer):
    """Counts the places that can be changed, and changes the chosen one."""

    def __init__(self, chosen: int | None) -> None:
        self.chosen = chosen
        self.found: list[Mutant] = []
        self.names: list[str] = []

    def _visit_function(self, node: Any) -> Any:
        self.names.append(node.name)
        node.body = [each for part in node.body if (each := self.visit(part)) is not None]
        self.names.pop()
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_function  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        return node  # the words of a message

    def generic_visit(self, node: ast.AST) -> Any:
        node = super().generic_visit(node)
        for changed in _changes(node):
            number = len(self.found)
            place = ".".join(self.names) or "module"
            text = f"{place}: {ast.unparse(node)} -> {ast.unparse(changed)}"
            self.found.append(Mutant(number, " ".join(text.split()), getattr(node, "lineno", 0)))
            if number == self.chosen:
                return ast.copy_location(changed, node)
        return node


def _changes(node: Any) -> Iterator[Any]:  # noqa: C901 - a branch for each kind of mistake
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        changed = _COMPARISONS[type(node.ops[0])]()
        yield ast.Compare(node.left, [changed, *node.ops[1:]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        yield ast.BinOp(node.left, _OPERATIONS[type(node.op)](), node.right)
    elif isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.Compare):
        kind = type(node)
        yield kind(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Continue | ast.Break):
        yield ast.Break() if isinstance(node, ast.Continue) else ast.Continue()
    elif isinstance(node, ast.Raise):
        yield ast.Pass()


def mutants_of(source: str) -> list[Mutant]:
    """Return every mutant that there is of a module."""
    walk = _Walk(None)
    walk.visit(ast.parse(source))
    return walk.found


def mutate(source: str, number: int) -> ast.Module:
    """Return the module's tree with one place changed."""
    tree = ast.parse(source)
    _Walk(number).visit(tree)
    return ast.fix_missing_locations(tree)
