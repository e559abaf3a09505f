"""Where the events are, and who can handle them again: what `--store` and `--app` name."""

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from copy import copy
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Never

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.receiver import Receiver
from coffrify_webhooks.signature import Secret
from coffrify_webhooks.stores import DEFAULT_FILE, STORE_VARIABLE, Store, open_store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.statements import EVENTS

__all__ = ["STORE_HELP", "Source", "takes_source"]

STORE_HELP = (
    f"The store's URL; else {STORE_VARIABLE}, else the file {DEFAULT_FILE} here. A URL with a "
    "password is better kept in the variable: other users see a command line."
)
_APP_HELP = (
    "The module that holds your handlers, or your Receiver in it: myapp.webhooks or "
    "myapp.webhooks:receiver. Its store is used unless --store names one."
)


class Source(NamedTuple):
    """What the commands work on; a program that embeds them gives it as `obj`."""

    store: Store
    receiver: Receiver | None
    """Who handles an event again; None if events can only be looked at."""


def takes_source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a source, and the source as its first argument."""

    @click.option("--store", metavar="URL", help=STORE_HELP)
    @click.option("--app", metavar="MODULE[:NAME]", help=_APP_HELP)
    @click.pass_context
    @wraps(command)
    def with_source(
        ctx: click.Context, /, *args: Any, store: str | None, app: str | None, **kwargs: Any
    ) -> None:
        if isinstance(ctx.obj, Source):
            if store or app:
                raise click.UsageError("--store and --app are settled by your settings here")
            command(ctx.obj, *args, **kwargs)
            return
        source = _source(store, app)
        ctx.call_on_close(source.store.close)
        command(source, *args, **kwargs)

    return with_source


def _source(url: str | None, app: str | None) -> Source:
    own = None if app is None else _receiver(app)
    if own is None:
        store = _open(url)
        return Source(store, None if app is None else _default_receiver(store))
    if url is not None:
        own = copy(own)
        own.store = _open(url)
    return Source(_usable(own.store), own)


def _open(url: str | None) -> Store:
    url = url or os.environ.get(STORE_VARIABLE)
    if not url:
        if not Path(DEFAULT_FILE).exists():
            raise ConfigurationError(
                f"which store? Name it by --store or {STORE_VARIABLE}; there is no {DEFAULT_FILE} "
                "in this folder"
            )
        url = f"sqlite:///{DEFAULT_FILE}"
    _look_first(url)
    return _usable(open_store(url))


def _look_first(url: str) -> None:
    """Refuse an sqlite file that is not there or holds no store: to look is not to make one."""
    scheme, separator, rest = url.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not separator:
        return
    path = Path(rest.partition("?")[0])
    if not path.is_file():
        _no_file(path)
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file,
    ):
        found = file.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (EVENTS,)).fetchone()
        if found is None:
            raise ConfigurationError(
                f"{str(path)!r} holds no store; name another, or make it: "
                "`coffrify-webhooks store init`"
            )


def _no_file(path: Path) -> Never:
    raise ConfigurationError(
        f"there is no file {str(path)!r}; the first delivery makes it, or "
        "`coffrify-webhooks store init`"
    )


def _usable(store: Store) -> Store:
    """Refuse a store in which this process could find nothing."""
    if isinstance(store, MemoryStore):
        raise ConfigurationError(
            "a store in memory is seen by its own process only; name another: --store"
        )
    path = getattr(store, "path", None)
    if isinstance(path, Path) and not path.exists():  # to look is not to make one
        _no_file(path)
    return store


def _default_receiver(store: Store) -> Receiver:
    # It verifies nothing, so that it has no use for a secret.
    return Receiver(Secret("nothing is verified here", encoding="text"), store=store)


def _receiver(app: str) -> Receiver | None:
    """Import what `--app` names; None if it is a module without a Receiver."""
    name, _, attribute = app.partition(":")
    module = _imported(name)
    if attribute:
        found: Any = getattr(module, attribute, None)
        if not isinstance(found, Receiver):
            raise ConfigurationError(f"--app {app}: {name} has no Receiver of that name")
        return found
    receivers = {id(each): each for each in vars(module).values() if isinstance(each, Receiver)}
    if len(receivers) > 1:
        names = [key for key, each in vars(module).items() if isinstance(each, Receiver)]
        raise ConfigurationError(
            f"{name} has several Receivers; name one: --app {name}:{' or :'.join(names)}"
        )
    return next(iter(receivers.values()), None)


def _imported(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # a script's path begins at the script, not where the user is
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ConfigurationError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"--app {name} could not be imported ({what})") from error
