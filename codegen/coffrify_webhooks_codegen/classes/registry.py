"""Generates the registry: the `__init__.py` that imports each class on first use."""

from collections.abc import Iterable

from .event_names import EventName

__all__ = ["registry_module", "stub_module"]

_WIDEST = 100
# A module or a class of the package becomes an attribute of it, and would hide whatever is called
# like it. So what runs later goes by names with an underscore, which no event type can lead to.
_LAZY = '''

def __getattr__(name: str) -> object:
    """Import a class when it is first asked for; `on` registers handlers of these events."""
    if name == "on":
        return _import_module("coffrify_webhooks.router").router_of(__name__).on
    module = _MODULES.get(name)
    if module is None:
        raise _builtins.AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = _builtins.getattr(_import_module(f".{module}", __name__), name)
    _builtins.globals()[name] = found
    return found


def __dir__() -> "list[str]":
    return _builtins.sorted({*_builtins.globals(), *__all__})
'''


def registry_module(names: Iterable[EventName], shared: Iterable[str], digest: str) -> str:
    """Return the registry of these events and shared classes."""
    common = "".join(f'    "{name}": "_shared",\n' for name in sorted(shared))
    parts = [
        '"""Every event type of the catalog; importing this imports none of them."""\n\n',
        "import builtins as _builtins\n",
        "from importlib import import_module as _import_module\n",
        f'\nCATALOG_SHA256 = "{digest}"\n',
        '"""Identifies the catalog that these classes were made of."""\n\n',
        '# One text, since thousands of literals would take long to compile.\n_TABLE = """\\\n',
        *(_entry(name) for name in _by_type(names)),
        '"""\n\nEVENTS: "dict[str, tuple[str, str]]" = {}\n',
        '"""By event type: the module in this package, and the class in it."""\n\n',
        "for _line in _TABLE.splitlines():\n",
        '    _event, _module, _name = _line.split("\\t")\n',
        "    EVENTS[_event] = (_module, _name)\n\n",
        "_MODULES = {\n",
        common,
        "    **{name: module for module, name in EVENTS.values()},\n}\n\n",
        "# Spelled out in the stub, where checkers look.\n",
        "# pyright: reportUnsupportedDunderAll=false\n",
        '__all__ = ["CATALOG_SHA256", "EVENTS", "on", *_MODULES]  # noqa: PLE0604\n',
        _LAZY,
    ]
    return "".join(parts)


def stub_module(names: Iterable[EventName], shared: Iterable[str]) -> str:
    """Return the registry's types as a stub, which programs need not read at run time."""
    events = _by_type(names)
    places = [("_shared", name) for name in sorted(shared)]
    places += [(name.module, name.class_name) for name in events]
    public = _sort_names(["CATALOG_SHA256", "EVENTS", "on", *(name for _, name in places)])
    return "".join(
        [
            "import builtins as _builtins\nfrom typing import TypeAlias as _TypeAlias\n\n",
            _imports([("_overloads", "Registrar"), *places]),
            # Checkers too let a module `str` hide the type.
            "\n_Text: _TypeAlias = _builtins.str\n",
            "_Place: _TypeAlias = _builtins.tuple[_Text, _Text]\n",
            "\nCATALOG_SHA256: _Text\n",
            "EVENTS: _builtins.dict[_Text, _Place]\n",
            "on: Registrar\n",
            "\n__all__ = [\n",
            *(f'    "{name}",\n' for name in public),
            "]\n",
        ]
    )


def _by_type(names: Iterable[EventName]) -> list[EventName]:
    return sorted(names, key=lambda name: name.type)


def _imports(places: list[tuple[str, str]]) -> str:
    modules: dict[str, list[str]] = {}
    for module, name in places:
        modules.setdefault(module, []).append(name)
    lines: list[str] = []
    for module in sorted(modules):
        wanted = modules[module]
        line = f"from .{module} import {', '.join(wanted)}\n"
        if len(line) > len("\n") + _WIDEST:
            inner = "".join(f"    {name},\n" for name in wanted)
            line = f"from .{module} import (\n{inner})\n"
        lines.append(line)
    return "".join(lines)


def _entry(name: EventName) -> str:
    return f"{_text(name.type)}\t{name.module}\t{name.class_name}\n"


def _text(value: str) -> str:
    """Escape an event type for a string literal; it is printable and may contain quotes."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _sort_names(names: list[str]) -> list[str]:
    """Sort as linters sort `__all__`: constants first, then classes, then functions."""
    return sorted(names, key=lambda name: (not name.isupper() and "_" not in name, name))
