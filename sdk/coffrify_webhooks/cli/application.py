"""Finds the Receiver that `--app` names: in a module, an application, or what a function makes."""

from __future__ import annotations

import ast
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.errors import ConfigurationError, shown

from .failure import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import ModuleType

    from coffrify_webhooks.receiver import Receiver

__all__ = ["APP_HELP", "LOOKED_FOR", "importing", "receiver_of"]

APP_HELP = (
    "Where your Receiver is: myapp.webhooks or myapp.webhooks:receiver. An application that has "
    "one, or a function that creates it, will do: myapp:app, myapp:create_app."
)
LOOKED_FOR = (
    "Without it, the command looks for the program as its framework does: FLASK_APP, "
    "DJANGO_SETTINGS_MODULE, manage.py, wsgi.py, app.py."
)
_FACTORIES = ("create_app", "make_app")
"""The names by which Flask knows a function that makes the application."""
_NO_SERVER = "FLASK_RUN_FROM_CLI"
"""With it, a Flask app.run() that no `if __name__ == "__main__"` guards does not serve for ever."""


def receiver_of(app: str, called: str = "") -> Receiver | None:
    """Return the Receiver that MODULE[:NAME] means; None if it is a module without one.

    NAME is a Receiver, something that has just one, or a function that makes it. called: what to
    call it in an error, if not --app. Raises ConfigurationError if it cannot be imported, is none
    of these, or has several.
    """
    path, _, expression = app.partition(":")
    name = path.removesuffix(".py").replace("/", ".") if path.endswith(".py") else path
    with importing(called or f"--app {name}", name):
        module = import_module(name)
        if not expression:
            return _in_module(module, name)
        found = _receivers_in(_call_factory(_evaluate(module, expression)))
    if not found:
        raise ConfigurationError(
            f"--app {app}: {name} has no Receiver of that name, nor an application that has one"
        )
    return _only(found, app)


def _in_module(module: ModuleType, name: str) -> Receiver | None:
    names: dict[int, str] = {}
    found: dict[int, Receiver] = {}
    for key, each in list(vars(module).items()):
        if key.startswith("__"):
            continue
        inside = _receivers_in(each)
        if len(inside) == 1:
            names.setdefault(id(inside[0]), key)
        found.update((id(receiver), receiver) for receiver in inside)
    if len(found) > 1 and len(names) == len(found):
        raise ConfigurationError(
            f"{name} has several Receivers; name one: --app {name}:{' or :'.join(names.values())}"
        )
    factory = next((getattr(module, each) for each in _FACTORIES if hasattr(module, each)), None)
    if found or not isfunction(factory):
        return _only(list(found.values()), name)
    return _only(_receivers_in(_call_factory(factory)), name)


def _only(found: list[Receiver], name: str) -> Receiver | None:
    if len(found) > 1:
        names = ", ".join(sorted({shown(each.name) for each in found}))
        raise ConfigurationError(
            f"{name} has several Receivers ({names}); keep the one you mean in a variable of a "
            "module, and name that: --app myapp:receiver; for those of a Flask application there "
            "is `flask coffrify-webhooks --path PATH ...`"
        )
    return found[0] if found else None


def _evaluate(module: ModuleType, expression: str) -> Any:
    """Return what a name means, or a dotted one, or what a call with plain arguments returns."""
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return None
    call = node if isinstance(node, ast.Call) else None
    names: list[str] = []
    node = call.func if call else node
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    found: Any = module
    for name in (node.id, *reversed(names)):
        found = getattr(found, name, None)
    if call is None or found is None:
        return found
    arguments = [ast.literal_eval(each) for each in call.args]
    return found(
        *arguments, **{each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    )


def _call_factory(found: Any) -> Any:
    """Call a function that makes an application."""
    return found() if isfunction(found) else found


@contextmanager
def importing(what: str, module: str = "") -> Generator[None]:
    """Around the import of a user's program: from this folder, and told in a line if it fails.

    module: the one that was named, where a module was.
    """
    here = str(Path.cwd())
    if here not in sys.path:  # a script's path begins at the script, not where the user is
        sys.path.insert(0, here)
    before = os.environ.get(_NO_SERVER)
    os.environ[_NO_SERVER] = "true"
    try:
        yield
    except ConfigurationError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigurationError(_missing(what, module, error)) from error
    except (Exception, SystemExit) as error:  # the latter of a script
        what_failed = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{what} could not be imported ({what_failed})") from error
    finally:
        os.environ.pop(_NO_SERVER)
        if before is not None:
            os.environ[_NO_SERVER] = before


def _missing(what: str, module: str, error: ModuleNotFoundError) -> str:
    """Say which module is not there: that which was named, or one that it needs."""
    name = error.name or ""
    if not name or not f"{module}.".startswith(f"{name}."):
        return f"{what} could not be imported ({type(error).__name__}: {error})"
    found = [path.stem for path in Path.cwd().glob("*.py")]
    found += [path.parent.name for path in Path.cwd().glob("*/__init__.py")]
    near = did_you_mean(name, found) or "; run this in your program's folder"
    return f"{what}: there is no module {name!r} in this folder, nor is it installed{near}"


def _receivers_in(value: Any) -> list[Receiver]:
    from coffrify_webhooks.applications.endpoints import receivers_in  # not for a help

    return receivers_in(value)
