"""Finds the public names of our packages in their source, which no import has to run for."""

import ast
from functools import cache
from inspect import cleandoc
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

__all__ = ["MODULES", "Found", "Member", "find", "members", "public", "tree_of"]

ROOT = Path(__file__).parents[1]

MODULES = {
    "api.md": (
        "coffrify_webhooks",
        "coffrify_webhooks.flask",
        "coffrify_webhooks.django",
        "coffrify_webhooks.django.asgi",
        "coffrify_webhooks.django.inbox",
        "coffrify_webhooks.starlette",
        "coffrify_webhooks.fastapi",
        "coffrify_webhooks.asgi",
        "coffrify_webhooks.wsgi",
        "coffrify_webhooks.inbox",
        "coffrify_webhooks.otel",
        "coffrify_webhooks.reconcile",
        "coffrify_webhooks.doctor",
        "coffrify_webhooks.errors",
        "coffrify_webhooks_codegen.catalog",
        "coffrify_webhooks_codegen.diff",
        "coffrify_webhooks_codegen.digest",
        "coffrify_webhooks_codegen.errors",
    ),
    "api-testing.md": (
        "coffrify_webhooks.testing",
        "coffrify_webhooks.testing.strategies",
        "coffrify_webhooks_sandbox",
    ),
    "api-stores.md": (
        "coffrify_webhooks.stores",
        "coffrify_webhooks.stores.memory",
        "coffrify_webhooks.stores.sqlite",
        "coffrify_webhooks.stores.sql",
        "coffrify_webhooks.stores.redis",
        "coffrify_webhooks.testing.store_contract",
        "coffrify_webhooks.dispatch",
        "coffrify_webhooks.dispatch.dbos",
        "coffrify_webhooks.dispatch.celery",
    ),
    "api-events.md": ("coffrify_webhooks.events",),
}
"""By page, the modules that users import from."""

_PLACES = ("sdk", "integrations", "codegen", "sandbox")

Definition: TypeAlias = (
    ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign
)


class Found(NamedTuple):
    """Where a name is defined."""

    module: str
    node: Definition
    text: str
    """What is said of it: its docstring, or the text below an assignment."""


class Member(NamedTuple):
    """What a class has that its users use."""

    name: str
    node: Definition
    text: str


@cache
def tree_of(module: str, first: str = "__init__.pyi") -> ast.Module:
    """Return the source of a module, as it is typed where types have a file of their own."""
    for place in _PLACES:
        path = ROOT / place / module.replace(".", "/")
        for file in (path / first, path / "__init__.py", path.with_suffix(".py")):
            if file.exists():
                return ast.parse(file.read_text(encoding="utf-8"))
    raise LookupError(module)


def public(module: str) -> list[str]:
    """Return the names of a module's `__all__`; of a file of types, those it imports."""
    body = tree_of(module).body
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    imported = [each for node in body if isinstance(node, ast.ImportFrom) for each in node.names]
    return sorted(each.name for each in imported if not each.asname and each.name != "Registrar")


def find(module: str, name: str) -> Found | None:
    """Return where a name of a module is defined, through whatever imports it."""
    body = _flat(tree_of(module).body)
    defined = [place for place, node in enumerate(body) if name in _names(node)]
    if defined:
        last = defined[-1]  # those before it are overloads
        node = cast("Definition", body[last])
        after = next(iter(body[last + 1 :]), None)
        text = _text(node, after) or _assigned_doc(module, name)
        # What is typed by a protocol of its overloads is a function with an underscore.
        return Found(module, node, text) if text else find(module, f"_{name}")
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            for each in statement.names:
                if (each.asname or each.name) == name:
                    home = _absolute(module, statement)
                    return find(home, each.name) if home.startswith("coffrify_webhooks") else None
    return None


def members(found: Found) -> list[Member]:
    """Return the public members of a class that have a text, its own before those of its bases."""
    owner = cast("ast.ClassDef", found.node)
    listed: dict[str, Member] = {}
    body = [*_flat(owner.body)]
    for statement, after in zip(body, [*body[1:], None], strict=True):
        for name in _names(statement):
            node = cast("Definition", statement)
            text = _text(node, after)
            is_field = isinstance(node, ast.AnnAssign)
            said = (text and not text.startswith("See `") and name[:5] != "test_") or is_field
            if name[0] != "_" and said and name not in listed:
                listed[name] = Member(name, node, text)
    for base in owner.bases:
        named = isinstance(base, ast.Name) and find(found.module, base.id)
        if named and isinstance(named.node, ast.ClassDef) and not _is_shown(named.node.name):
            for member in members(named):
                listed.setdefault(member.name, member)
    return [*listed.values()]


@cache
def _all_public() -> frozenset[str]:
    return frozenset(
        name for modules in MODULES.values() for module in modules for name in public(module)
    )


def _is_shown(name: str) -> bool:
    return name in _all_public()


def _flat(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements with those for type checkers, or in a `with`, in their place."""
    flat: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            # What runs says more than what is there for type checkers alone.
            flat.extend(_flat([*node.orelse, *node.body]))
        elif isinstance(node, ast.With):
            flat.extend(_flat(node.body))
        else:
            flat.append(node)
    return flat


def _assigned_doc(module: str, name: str) -> str:
    """Return the value of `Name.__doc__ = ...`, or the text below the value of a typed name."""
    body = _flat(tree_of(module, "__init__.py").body)
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"{name}.__doc__":
            return cleandoc(ast.literal_eval(node.value))
        if name in _names(node) and isinstance(node, Definition) and _text(node, after):
            return _text(node, after)
    return ""


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            return [each.id for each in node.targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name() as target):
            return [target.id]
        case _:
            return []


def _text(node: Definition, after: ast.stmt | None) -> str:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.get_docstring(node) or ""
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        return str(after.value.value)
    return ""


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    is_package = any((ROOT / place / module.replace(".", "/")).is_dir() for place in _PLACES)
    keep = len(parts) - node.level + is_package
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])
