"""Rewrites the type annotations that the generator produced in a few known forms."""

import ast
from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["Annotation", "annotation_of", "quote"]


@dataclass(frozen=True)
class Annotation:
    """The annotation of one field."""

    text: str
    """The whole annotation; quoted if it mentions a class that is defined later."""
    arms: tuple[str, ...]
    """The alternatives of the union; a quoted annotation counts as one."""


def annotation_of(node: ast.expr, hidden: Collection[str]) -> Annotation:
    """Rewrite an annotation; a name that a field of the module hides gets an underscore.

    Raises TypeError for anything but names, unions, lists, dicts and Literals.
    """
    spelling = _Spelling(hidden)
    arms = spelling.arms(node)
    if not spelling.forward:
        return Annotation(" | ".join(arms), arms)
    whole = quote(" | ".join(arms))
    return Annotation(whole, (whole,))


def quote(text: str) -> str:
    """Return a text as a Python string literal of printable characters."""
    if '"' in text and "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in inner) + '"'


class _Spelling:
    """Rewrites one annotation, and notes whether it contains a forward reference."""

    def __init__(self, hidden: Collection[str]) -> None:
        self.forward = False
        self._hidden = hidden

    def arms(self, node: ast.expr) -> tuple[str, ...]:
        """Return the alternatives, each once and None last; Any replaces all others."""
        texts = dict.fromkeys(self._spell_arms(node))
        if any(text in ("Any", "_Any") for text in texts):
            return ("_Any" if "Any" in self._hidden else "Any",)
        ordered = [text for text in texts if text != "None"]
        return (*ordered, "None") if "None" in texts else tuple(ordered)

    def _spell_arms(self, node: ast.expr) -> list[str]:
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return [*self._spell_arms(left), *self._spell_arms(right)]
            case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=arms)):
                return [text for arm in arms for text in self._spell_arms(arm)]
            case ast.Subscript(value=ast.Name(id="Union"), slice=arm):
                return self._spell_arms(arm)
            case ast.Subscript(value=ast.Name(id="Optional"), slice=arm):
                return [*self._spell_arms(arm), "None"]
            case ast.Constant(value=str(text)):
                self.forward = True
                return self._spell_arms(ast.parse(text, mode="eval").body)
            case _:
                return [self._spell_arm(node)]

    def _spell_arm(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=None):
                return "None"
            case ast.Name(id=name):
                return self._name(name)
            case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                texts = [_literal(item) for item in items]
                return f"{self._name('Literal')}[{', '.join(texts)}]"
            case ast.Subscript(value=ast.Name(id="list"), slice=item):
                return f"{self._name('list')}[{' | '.join(self.arms(item))}]"
            case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])):
                value = " | ".join(self.arms(item))
                return f"{self._name('dict')}[{self._spell_arm(key)}, {value}]"
            case _:
                raise TypeError(f"an annotation of another form: {ast.unparse(node)[:80]}")

    def _name(self, name: str) -> str:
        if name not in self._hidden:
            return name
        return f"_{name}"


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return quote(node.value)
    raise TypeError(f"a literal that is no text: {ast.unparse(node)[:80]}")
