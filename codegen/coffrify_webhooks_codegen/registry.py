"""The registry: the `__init__.py` of a generated package, which imports each class when needed."""

from collections.abc import Iterable

from coffrify_webhooks_codegen.names import EventName

__all__ = ["registry_module"]

_LAZY = '''

def __getattr__(name: str) -> object:
    """Import a class when it is first asked for; `on` registers handlers of these events."""
    if name == "on":
        return import_module("coffrify_webhooks.router").router_of(__name__).on
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
'''


def registry_module(names: Iterable[EventName], shared: Iterable[str], digest: str) -> str:
    """Write the registry of these events and shared classes."""
    events = sorted(names, key=lambda name: name.type)
    common = sorted(shared)
    places = [("_shared", name) for name in common]
    places += [(name.module, name.class_name) for name in events]
    parts = [
        '"""Every event type of the catalog; importing this imports none of them."""\n\n',
        "from importlib import import_module\n\n",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n",
        "    from ._overloads import Registrar\n",
        _imports(places),
        "\n    on: Registrar\n",
        f'\nCATALOG_SHA256 = "{digest}"\n',
        '"""Identifies the catalog that these classes were made of."""\n\n',
        "EVENTS: dict[str, tuple[str, str]] = {\n",
        *(_entry(name) for name in events),
        "}\n",
        '"""By event type: the module in this package, and the class in it."""\n\n',
        "_MODULES = {\n",
        *(f'    "{name}": "_shared",\n' for name in common),
        "    **{name: module for module, name in EVENTS.values()},\n}\n\n",
        "__all__ = [\n",
        *(
            f'    "{name}",\n'
            for name in _sorted(["CATALOG_SHA256", "EVENTS", "on", *(p[1] for p in places)])
        ),
        "]\n",
        _LAZY,
    ]
    return "".join(parts)


def _imports(places: list[tuple[str, str]]) -> str:
    modules: dict[str, list[str]] = {}
    for module, name in places:
        modules.setdefault(module, []).append(name)
    lines: list[str] = []
    for module in sorted(modules):
        wanted = modules[module]
        line = f"    from .{module} import {', '.join(wanted)}\n"
        if len(line) > 101:  # noqa: PLR2004
            inner = "".join(f"        {name},\n" for name in wanted)
            line = f"    from .{module} import (\n{inner}    )\n"
        lines.append(line)
    return "".join(lines)


def _entry(name: EventName) -> str:
    start = f"    {_text(name.type)}: ("
    line = f'{start}"{name.module}", "{name.class_name}"),\n'
    if len(line) <= 101:  # noqa: PLR2004
        return line
    return f'{start}\n        "{name.module}",\n        "{name.class_name}",\n    ),\n'


def _text(value: str) -> str:
    """Spell an event type as a literal; it is printable, and may hold quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _sorted(names: list[str]) -> list[str]:
    """Sort as linters sort `__all__`: constants first, then classes, then functions."""
    return sorted(names, key=lambda name: (not name.isupper() and "_" not in name, name))
