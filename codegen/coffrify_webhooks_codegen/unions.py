"""Unions: `Union` and `Optional`, written around names that come later, become quoted `|`."""

import ast

__all__ = ["spelled"]


def spelled(source: str) -> str:
    """Spell every union with `|`; one that holds a forward reference is quoted as a whole."""
    lines = source.splitlines(keepends=True)
    found = [
        node
        for statement in ast.walk(ast.parse(source))
        if isinstance(statement, ast.AnnAssign)
        for node in _outermost(statement.annotation)
    ]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        # Offsets count bytes.
        head = lines[first].encode()[: node.col_offset].decode()
        tail = lines[last].encode()[node.end_col_offset :].decode()
        lines[first : last + 1] = [head + _text(_joined(node)) + tail]
    return "".join(lines)


def _outermost(node: ast.AST) -> list[ast.expr]:
    if _is_union(node):
        assert isinstance(node, ast.expr)  # noqa: S101  -- for the type checkers
        return [node]
    return [found for child in ast.iter_child_nodes(node) for found in _outermost(child)]


def _is_union(node: ast.AST) -> bool:
    match node:
        case ast.Subscript(value=ast.Name(id="Union" | "Optional")):
            return True
        case ast.BinOp(op=ast.BitOr()):
            return any(isinstance(arm, ast.Constant) and arm.value for arm in _arms(node))
        case _:
            return False


def _arms(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=arms)):
            return [inner for arm in arms for inner in _arms(arm)]
        case ast.Subscript(value=ast.Name(id="Union"), slice=arm):
            return _arms(arm)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=arm):
            return [*_arms(arm), ast.Constant(None)]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [*_arms(left), *_arms(right)]
        case _:
            return [node]


def _joined(node: ast.expr) -> ast.expr:
    arms = [_Inner().visit(arm) for arm in _arms(node)]
    if any(isinstance(arm, ast.Name) and arm.id == "Any" for arm in arms):
        return ast.Name("Any")
    forward = any(_is_forward(arm) for arm in arms)
    bare = [_Bare().visit(arm) if forward else arm for arm in arms]
    texts = list(dict.fromkeys(ast.unparse(arm) for arm in bare))
    if "None" in texts:
        texts = [*(text for text in texts if text != "None"), "None"]
    text = " | ".join(texts)
    # As one name, since a tree of many arms would be deeper than Python walks.
    return ast.Constant(text) if forward else ast.Name(text)


def _is_forward(arm: ast.expr) -> bool:
    return isinstance(arm, ast.Constant) and isinstance(arm.value, str)


class _Inner(ast.NodeTransformer):
    """Joins the unions inside an arm."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if _is_union(node):
            return _joined(node)
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return _joined(node) if _is_union(node) else node


class _Bare(ast.NodeTransformer):
    """Takes the quotes off the names inside a text that is quoted itself."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Name(node.value) if isinstance(node.value, str) else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id.startswith("Literal"):
            return node
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return node  # texts of a Field


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        plain = not {'"', "\\"} & {*node.value}
        return f'"{node.value}"' if plain else ast.unparse(node)
    return ast.unparse(node)
