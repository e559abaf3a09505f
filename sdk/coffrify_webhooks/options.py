"""What may be given to a Receiver: each option checked, each mistake named with its fix."""

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Never, cast

from .dispatch import Dispatcher
from .errors import ConfigurationError, is_secretive, is_shown, shown
from .observe import logger
from .retries import Retries
from .router import Router, default_router, router_of
from .signature.secret import SECRET_VARIABLE, Sealed
from .stores import AsyncStore, Store, default_store, open_store
from .stores.blocking import blocking_form, is_async
from .stores.url import mask_text

__all__ = [
    "amount",
    "dispatcher_of",
    "import_handlers",
    "refuse_unknown",
    "retention_of",
    "retries_of",
    "router_for",
    "secrets_of",
    "size",
    "store_of",
    "text",
    "warn_of_bodies_dropped",
]


_ENDLESS = 1e15
"""Seconds or bytes; databases count no further, nor to infinity."""

may_lack_secrets: bool = False
"""Whether the testing kit gives receivers a secret; one of theirs is then missed only when used."""


def secrets_of(sealed: Sealed | None, where: str) -> Sealed:
    """Return the secrets given, else those of the environment; `where` is where to pass them."""
    if sealed is not None:
        return sealed
    found = Sealed([p.strip() for p in os.environ.get(SECRET_VARIABLE, "").split(",") if p.strip()])
    if found == Sealed([]):
        misspelt = sorted(
            name
            for name in os.environ
            if name.startswith("COFFRIFY") and "SECRET" in name and name != SECRET_VARIABLE
        )
        hint = f"; {', '.join(misspelt)} is set but is not read" if misspelt else ""
        missing = ConfigurationError(
            f"there is no secret; set {SECRET_VARIABLE}{hint}, or pass it: {where}. "
            f"The Coffrify dashboard shows it once, when you create the endpoint{_in_tests()}"
        )
        if not may_lack_secrets:
            raise missing
        return Sealed(_Missing(missing))
    return found


def _in_tests() -> str:
    """Say what to do where pytest imports an application before any fixture of a test is there."""
    if "pytest" not in sys.modules:
        return ""
    return (
        f'. In tests: os.environ.setdefault("{SECRET_VARIABLE}", "whsec_only_for_these_tests") in '
        "conftest.py; the fixture coffrify_kit then signs with a secret of its own"
    )


class _Missing:
    """Stands for the secrets that are not set."""

    def __init__(self, error: ConfigurationError) -> None:
        self._error = error

    def __call__(self) -> Never:
        raise self._error


def refuse_unknown(options: dict[str, Any], signature: Callable[..., Any]) -> None:
    """Raise for an option that `signature` does not have, naming the nearest."""
    names: list[str] = [mask_text(option) for option in options]
    options.clear()  # a secret may stand there, as of `secret=`
    for option in names:
        known = [name for name in inspect.signature(signature).parameters if name != "unknown"]
        near: list[str] = get_close_matches(option, known, n=1)
        hint = f"did you mean {near[0]}=?" if near else f"there are {', '.join(known)}"
        raise ConfigurationError(f"Receiver has no option {shown(option)}; {hint}")


def text(option: str, value: Any) -> str:
    """Return a name that can be shown."""
    usable = isinstance(value, str) and value.isprintable() and value
    if not usable or is_secretive(value):
        raise ConfigurationError(f"{option}={shown(value)}: give a plain name that is not empty")
    return str(value)  # of its own, which is shown


def amount(option: str, value: Any) -> Any:
    """Return a number above 0."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value < _ENDLESS:
        raise ConfigurationError(
            f"{option}={shown(value)}: give a number above 0, and below 10**15"
        )
    return value


def retention_of(value: Any, tolerance: float) -> float:
    """Return the seconds for which ids are kept: all the time that a request can be replayed."""
    retention: float = amount("retention", value)
    if retention < 2 * tolerance:
        raise ConfigurationError(
            f"retention={retention!r}: give at least twice the tolerance ({2 * tolerance:g} s); an "
            "event that is forgotten while its signature is still valid would be handled again"
        )
    return retention


def retries_of(retries: Any) -> Retries:
    """Return the policy given."""
    if isinstance(retries, Retries):
        return retries
    raise ConfigurationError(
        f"retries={shown(retries)}: give coffrify_webhooks.Retries(attempts=12, first=10)"
    )


def size(option: str, value: Any, default: int) -> int:
    """Return a number of bytes, 0 included."""
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigurationError(f"{option}={shown(value)}: give a number of bytes; 0 keeps none")
    return value


def flag(option: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{option}={shown(value)}: give True or False")
    return value


def router_for(router: Any, events: Any) -> Router:
    """Return the router given, else that of the events given, else the default one."""
    if events is not None:
        if router is not None:
            raise ConfigurationError(
                "router= was given beside events=, which has a router of its own; give one of them"
            )
        if not isinstance(events, (str, ModuleType)):
            raise ConfigurationError(f"events must be a package, not {type(events).__name__}")
        return router_of(events if isinstance(events, str) else events.__name__)
    if router is None or isinstance(router, Router):
        return default_router if router is None else router
    raise ConfigurationError(f"router must be a Router, not {type(router).__name__}")


def store_of(store: Any) -> Store:
    """Return the store given, by itself or by its URL, else the default one."""
    if store is None:
        return default_store(Path.cwd())
    if isinstance(store, str):
        return open_store(store)
    if isinstance(store, Store) and not isinstance(store, type):
        return blocking_form(cast("AsyncStore", store)) if is_async(store) else store
    raise ConfigurationError(
        f"store must be a Store, an AsyncStore or a URL, not {type(store).__name__}"
    )


def dispatcher_of(dispatcher: Any) -> Dispatcher | None:
    """Return the dispatcher given, if any."""
    if dispatcher is None:
        return None
    if isinstance(dispatcher, type):
        raise ConfigurationError(
            f"dispatcher is the class {dispatcher.__name__}; give an instance of it"
        )
    if isinstance(dispatcher, Dispatcher):
        if inspect.iscoroutinefunction(dispatcher.dispatch):
            raise ConfigurationError(
                f"{type(dispatcher).__name__}.dispatch is async; give a plain method, which is "
                "called in a thread"
            )
        return dispatcher
    if isinstance(dispatcher, str):
        scheme = dispatcher.partition(":")[0] if ":" in dispatcher else ""
        if scheme.partition("+")[0] == "dbos":
            from .dispatch.dbos import DBOSDispatcher  # only what is used

            return DBOSDispatcher.from_url(dispatcher)
        if scheme == "celery":
            from .dispatch.celery import CeleryDispatcher  # only what is used

            return CeleryDispatcher.from_url(dispatcher)
        begins = f"that begins {shown(scheme[:15] + ':')}" if scheme else "without a scheme"
        raise ConfigurationError(
            f"no dispatcher is known by a URL {begins}; use "
            '"dbos+sqlite:///engine.db", "dbos+postgresql://..." or "celery:shop.tasks:app", or an '
            "object with a dispatch(message) method; without one handlers run inline"
        )
    raise ConfigurationError(
        "dispatcher must be an object with a dispatch(message) method; "
        f"{type(dispatcher).__name__} has none"
    )


def import_handlers(modules: str | Iterable[str]) -> None:
    """Import the modules that register handlers."""
    if not hasattr(modules, "__iter__"):
        raise ConfigurationError('handlers must be modules to import, as in ["myapp.webhooks"]')
    given: tuple[Any, ...] = (modules,) if isinstance(modules, str) else tuple(modules)
    for module in given:
        if not isinstance(module, str) or not module or module.startswith("."):
            raise ConfigurationError(
                f"handlers={shown(module)}: give the full names of the modules in which @on "
                'registers your handlers, as in ["myapp.webhooks"]'
            )
        try:
            import_module(module)
        except ImportError as error:
            failure = ConfigurationError(
                f"handlers={shown(module)} could not be imported ({_why(error)}); "
                f"name an importable module{', without .py' * module.endswith('.py')}"
            )
            failure.__cause__ = error if is_shown(module) else None
        else:
            continue
        raise failure  # out here, or its context would repeat a secret given as a name


def _why(error: ImportError) -> str:
    """Say what could not be imported; a secret given as a module's name stays out of it."""
    return f"{type(error).__name__}: {shown(error.name)}" if error.name else type(error).__name__


def warn_of_bodies_dropped(dispatcher: object, keep_body: int, max_body: int) -> None:
    """Warn of events whose bodies are not kept, though an engine may lose them."""
    if dispatcher is not None and keep_body < max_body:
        logger.warning(
            "keep_body is less than max_body: a larger event that the engine loses cannot be "
            "dispatched again"
        )
