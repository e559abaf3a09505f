"""Writes the reference of the settings from the Receiver: `python docs/settings_reference.py`."""

import ast
import inspect
import re
from pathlib import Path

from coffrify_webhooks import Receiver
from coffrify_webhooks.signature.secret import SECRET_VARIABLE
from coffrify_webhooks.stores import STORE_VARIABLE

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("settings.md")

_BEGIN = "<!-- reference: written by docs/settings_reference.py, do not edit -->\n"
_END = "<!-- end of reference -->\n"

VARIABLES = {"secrets": SECRET_VARIABLE, "store": STORE_VARIABLE}

_PYTHON_ALONE = ("clock",)

_MORE = {
    "secrets": "[Signatures and secrets](signatures.md)",
    "name": "[Several endpoints](several-endpoints.md)",
    "events": "[Use your own catalog](pulling.md)",
    "store": "[Stores](stores.md)",
    "dispatcher": "[Engines](engines.md)",
    "schemes": "[Signatures](signatures.md)",
    "lease": "[Leases, slow handlers and crashes](guarantees.md#leases-slow-handlers-and-crashes)",
    "strict": "[Strict mode](events.md#strict-mode)",
    "observers": "[Observers](monitoring.md#observers)",
    "retries": "[Attempts](guarantees.md#attempts-and-dead-letters)",
    "lost_after": "[Events that an engine loses](guarantees.md#events-that-an-engine-loses)",
    "capture": "[The last refused requests](troubleshooting.md#the-last-refused-requests)",
}


def page(text: str) -> str:
    """Return the page `text` with its reference renewed: a section for each setting."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    texts, types = _texts(), _types()
    options = [
        each
        for each in inspect.signature(Receiver).parameters.values()
        if each.kind is not inspect.Parameter.VAR_KEYWORD  # there to be refused
    ]
    sections = "\n".join(_section(each, texts[each.name], types[each.name]) for each in options)
    return f"{before}{_BEGIN}\n{sections}\n{_END}{after}"


def _section(option: inspect.Parameter, text: str, kind: str) -> str:
    name, capitals = option.name, option.name.upper()
    more = f" See {_MORE[name]}." if name in _MORE else ""
    rows = [("Type", f"`{kind}`"), ("Default", f"`{_shown(option.default)}`")]
    if name in VARIABLES:
        rows.append(("Environment variable", f"`{VARIABLES[name]}`"))
    if name not in _PYTHON_ALONE:
        rows.append(("Flask", f'`app.config["COFFRIFY_WEBHOOKS"]["{capitals}"]`'))
        rows.append(("Django", f'`COFFRIFY_WEBHOOKS["{capitals}"]`'))
    rows.append(("Starlette, FastAPI, Python", f"`Receiver({name}=...)`"))
    lines = "".join(f"- {head}: {cell}\n" for head, cell in rows)
    return f"### {name}\n\n{text}{more}\n\n{lines}"


def _texts() -> dict[str, str]:
    found = re.findall(r"^(\w+):\n((?:    .+\n)+)", inspect.getdoc(Receiver) or "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _types() -> dict[str, str]:
    [owner] = ast.parse(inspect.getsource(Receiver)).body
    [make] = [
        each
        for each in ast.walk(owner)
        if isinstance(each, ast.FunctionDef) and each.name == "__init__"
    ]
    arguments = [*make.args.args, *make.args.kwonlyargs]
    return {each.arg: ast.unparse(each.annotation) for each in arguments if each.annotation}


def _shown(default: object) -> str:
    if isinstance(default, int) and not isinstance(default, bool):
        return f"{default:_}"
    return repr(default).replace("'", '"')


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
