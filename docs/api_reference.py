"""Writes the pages of the API from the docstrings: `make reference`."""

import ast
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from docs.api_source import MODULES, Found, find, members, public, tree_of

__all__ = ["BEGIN", "FOLDER", "page"]

FOLDER = Path(__file__).parent
BEGIN = "<!-- reference: written by docs/api_reference.py, do not edit -->\n"

BACKSLASHED = r"\_\_"
_WIDTH = 88
_DEFINED_ELSEWHERE = {"on": ("coffrify_webhooks.router", "Router", "on")}
"""`on` is the method of a router that every application has."""


def page(name: str, text: str) -> str:
    """Return the page `text` with its reference renewed: each public name of its modules."""
    before, _, _ = text.partition(BEGIN)
    sections = "\n".join(_module(module) for module in MODULES[name])
    return f"{before}{BEGIN}\n{sections}"


def _module(module: str) -> str:
    text = _prose(ast.get_docstring(tree_of(module)) or "")
    return "\n".join([f"## {module}\n", *([f"{text}\n"] if text else []), *_names(module)])


def _names(module: str) -> Iterator[str]:
    names = public(module)
    for name in sorted(names, key=lambda each: (not each[0].isalpha(), each.lower())):
        found = _found(module, name)
        if module.endswith(".errors") and name in public("coffrify_webhooks"):
            continue  # is above
        yield f"### {name.replace('__', BACKSLASHED)}\n"
        yield f"```py\n{_signature(name, found)}\n```\n"
        if found.text:
            yield f"{_prose(found.text)}\n"
        if isinstance(found.node, ast.ClassDef):
            yield from _members(found)


def _found(module: str, name: str) -> Found:
    if name in _DEFINED_ELSEWHERE:
        home, owner, method = _DEFINED_ELSEWHERE[name]
        [member] = [each for each in members(_found(home, owner)) if each.name == method]
        return Found(home, member.node, member.text)
    found = find(module, name)
    if found is None:
        raise LookupError(f"{module}.{name} is defined nowhere")
    return found


def _members(found: Found) -> Iterator[str]:
    owner = cast("ast.ClassDef", found.node).name
    fields, methods = list[str](), list[str]()
    for name, node, text in members(found):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node):
            waits = "async " * isinstance(node, ast.AsyncFunctionDef)
            signature = _function(node, f"{waits}{owner}.{name}", found.module)
            methods.append(f"```py\n{signature}\n```\n\n{_prose(text)}\n")
            continue
        told = f": {_prose(text)}" if text else ""
        kind = node.returns if isinstance(node, ast.FunctionDef) else getattr(node, "annotation", 0)
        typed = f" (`{_type(kind)}`)" if isinstance(kind, ast.expr) else ""
        fields.append(f"- `{name}`{typed}{told}".replace("\n\n", " ").replace("\n", " "))
    if fields:
        yield "\n".join(fields) + "\n"
    yield from methods


def _is_property(node: ast.AST) -> bool:
    return any("property" in ast.unparse(each) for each in getattr(node, "decorator_list", ()))


def _signature(name: str, found: Found) -> str:
    node = found.node
    match node:
        case ast.ClassDef():
            return _class(node, found.module)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            waits = "async " * isinstance(node, ast.AsyncFunctionDef)
            return _function(node, f"{waits}def {name}", found.module)
        case _:
            return name if name == "__version__" else _quoted(ast.unparse(node))


def _class(node: ast.ClassDef, module: str) -> str:
    bases = [base for each in node.bases if (base := ast.unparse(each))[0] != "_"]
    head = f"class {node.name}"
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return _function(each, head, module)
    return f"{head}({', '.join(bases)})" if bases else head


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, head: str, module: str) -> str:
    """Return a signature without `self`, a line for each parameter if it is long."""
    arguments = node.args
    both = [*arguments.posonlyargs, *arguments.args]
    skip = bool(both) and both[0].arg in ("self", "cls")
    defaults = [*[None] * (len(both) - len(arguments.defaults)), *arguments.defaults]
    shown = [_one(*pair, module) for pair in zip(both, defaults, strict=True)][skip:]
    if arguments.posonlyargs[skip:]:
        shown.insert(len(arguments.posonlyargs) - skip, "/")
    if arguments.vararg is not None:
        shown.append(f"*{_one(arguments.vararg, None, module)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    shown += [_one(*each, module) for each in keywords]
    if arguments.kwarg is not None and arguments.kwarg.arg != "unknown":  # there to be refused
        shown.append(f"**{_one(arguments.kwarg, None, module)}")
    end = ""
    if node.returns is not None and node.name != "__init__":
        end = f" -> {_type(node.returns)}"
    line = f"{head}({', '.join(shown)}){end}"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"    {each},\n" for each in shown)
    return f"{head}(\n{inside}){end}"


def _one(argument: ast.arg, default: ast.expr | None, module: str) -> str:
    typed = f": {_type(argument.annotation)}" if argument.annotation is not None else ""
    if default is None:
        return f"{argument.arg}{typed}"
    equals = " = " if typed else "="
    return f"{argument.arg}{typed}{equals}{_default(default, module)}"


def _default(default: ast.expr, module: str) -> str:
    """Return a default as its value, where it is one to be read; else as it is written."""
    text = ast.unparse(default)
    if isinstance(default, ast.Name | ast.BinOp):
        value = eval(text, {**vars(import_module(module))})  # noqa: S307 - our own source
        if isinstance(value, (str, int, float, tuple)) or is_dataclass(value):
            text = repr(value)
    return f"{int(text):_}" if text.isdigit() else _quoted(text)


def _quoted(text: str) -> str:
    """Write texts in double quotes, as the pages do."""
    return text if '"' in text else text.replace("'", '"')


def _type(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return _quoted(ast.unparse(annotation))


def _prose(text: str) -> str:
    """Return a docstring as Markdown: `name:` with lines below it becomes an item of a list."""
    text = re.sub(
        r"^(\w+):\n((?:    .+\n?)+)",
        lambda item: f"- `{item[1]}`: {' '.join(item[2].split())}\n",
        text,
        flags=re.MULTILINE,
    )
    text = re.sub(r"(?<=[^\n])\n(?=- `)", "\n", text)
    return text.strip().replace("<", "&lt;")


if __name__ == "__main__":
    for _name in MODULES:
        _path = FOLDER / _name
        _path.write_text(page(_name, _path.read_text(encoding="utf-8")), encoding="utf-8")
