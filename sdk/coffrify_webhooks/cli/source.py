"""Where the events are, and who can handle them again: what `--store` and `--app` name."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from copy import copy
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Never, cast

import click

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.stores.url import DEFAULT_FILE, STORE_VARIABLE

from .application import APP_HELP, LOOKED_FOR, receiver_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Store

__all__ = [
    "Source",
    "embedded_source",
    "find_receiver",
    "find_source",
    "receiver_for",
    "takes_source",
]

_STORE_HELP = (
    f"The store's URL; by default that of --app, then {STORE_VARIABLE}, then that of the program "
    f"here, then the file {DEFAULT_FILE} here. Keep a URL with a password in the variable: other "
    "users can see a command line."
)
_APP_HELP = f"{APP_HELP} A module that only registers handlers will do as well. {LOOKED_FOR}"


class Source(NamedTuple):
    """What the commands work on; a program that embeds them gives it as `obj`."""

    store: Store
    receiver: Receiver | None
    """Who handles an event again; None if events can only be looked at."""
    url: str | None = None
    """What named the store, if a URL did."""
    knows_secrets: bool = True
    """False of a Receiver that stands in for one, where --app has only handlers."""


def takes_source(
    *, handles: bool = False, makes: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that name a source, and the source as its first argument.

    handles: it runs handlers, so that it needs the Receiver, whichever the store. makes: it creates
    the store if there is none; without it, looking does not create one.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--store", metavar="URL", help=_STORE_HELP)
        @click.option("--app", metavar="MODULE[:NAME]", help=_APP_HELP)
        @click.pass_context
        @wraps(command)
        def with_source(
            ctx: click.Context, /, *args: Any, store: str | None, app: str | None, **kwargs: Any
        ) -> None:
            source = embedded_source(ctx.obj)
            if source is None:
                source = _source(store, app, handles=handles, makes=makes)
                ctx.call_on_close(source.store.close)
            elif store or app:
                raise click.UsageError("--store and --app are determined by your settings here")
            command(source, *args, **kwargs)

        return with_source

    return decorate


def embedded_source(obj: object) -> Source | None:
    """Return the source that a program gives as the click context's `obj`, if it does."""
    if isinstance(obj, Source):
        return obj
    return cast("Source", obj()) if callable(obj) else None


def find_source(obj: object, store: str | None, app: str | None) -> Source:
    """Return the source that the options of a command which only looks name."""
    return embedded_source(obj) or _source(store, app, handles=False, makes=False)


def find_receiver(app: str | None) -> Receiver | None:
    """Return the Receiver that --app names, else that of the program here, if there is one."""
    from .surroundings import receiver_here  # not for a help

    return receiver_here() if app is None else receiver_of(app)


def receiver_for(obj: object, app: str | None) -> Receiver | None:
    """Return the Receiver that a command without a --store works on.

    That of a program's own source, or of --app, or of the program here; None if --app names a
    module without one. Raises UsageError if there is nothing to look in.
    """
    source = embedded_source(obj)
    if source is None:
        found = find_receiver(app)
    elif app:
        raise click.UsageError("--app is determined by your settings here")
    else:
        found = source.receiver
    if found is None and app is None:
        raise click.UsageError("where is your Receiver? Name its module: --app myapp.webhooks")
    return found


def _source(url: str | None, app: str | None, *, handles: bool, makes: bool) -> Source:
    own = _receiver(url, app, handles=handles, makes=makes)
    if own is not None and url is None:
        return Source(_refuse_memory(own.store, makes=makes), own)
    url = url or os.environ.get(STORE_VARIABLE) or _file_here(makes=makes)
    store = _open(url, makes=makes)
    if own is not None:
        own = copy(own)
        own.store = store
    elif app is not None:
        return Source(store, _default_receiver(store), url, knows_secrets=False)
    return Source(store, own, url)


def _receiver(url: str | None, app: str | None, *, handles: bool, makes: bool) -> Receiver | None:
    if app is None and not handles and (url or os.environ.get(STORE_VARIABLE)):
        return None  # the store is named, and is all that is needed
    try:
        return find_receiver(app)
    except ConfigurationError as error:
        if app is not None or handles or makes or not Path(DEFAULT_FILE).exists():
            raise
        click.echo(f"{error}; looking at the file {DEFAULT_FILE} here", err=True)
        return None


def _file_here(*, makes: bool) -> str:
    if not makes and not Path(DEFAULT_FILE).exists():
        raise ConfigurationError(
            f"which store? Name it by --store or {STORE_VARIABLE}, or your application by --app; "
            f"there is neither a {DEFAULT_FILE} nor an application in this folder"
        )
    return f"sqlite:///{DEFAULT_FILE}"


def _open(url: str, *, makes: bool) -> Store:
    from coffrify_webhooks.observe import logger
    from coffrify_webhooks.stores import open_store

    if not makes:
        _look_first(url)
    before, logger.disabled = logger.disabled, True  # the command's own error says it, and once
    try:
        store = open_store(url)
    finally:
        logger.disabled = before
    return _refuse_memory(store, makes=makes)


def _look_first(url: str) -> None:
    """Refuse an sqlite file that does not exist or holds no store: looking must not create one."""
    import sqlite3

    from coffrify_webhooks.stores.statements import EVENTS

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
                f"{str(path)!r} holds no store; name another, or create it: `coffrify-webhooks "
                "store init`"
            )


def _no_file(path: Path) -> Never:
    raise ConfigurationError(
        f"there is no file {str(path)!r}; the first delivery creates it, or `coffrify-webhooks "
        "store init` does"
    )


def _refuse_memory(store: Store, *, makes: bool) -> Store:
    """Refuse a store in which this process could find nothing."""
    from coffrify_webhooks.stores.memory import MemoryStore

    if isinstance(store, MemoryStore):
        why = "needs no tables" if makes else "is visible only to its own process"
        raise ConfigurationError(f"a store in memory {why}; name another: --store")
    path = getattr(store, "path", None)
    if isinstance(path, Path) and not makes and not path.exists():
        _no_file(path)
    return store


def _default_receiver(store: Store) -> Receiver:
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.signature import Secret

    # It verifies nothing, so that it has no use for a secret; one that a callable returns is not
    # compared with those of the application's own receivers on this store.
    secret = Secret("nothing is verified here", encoding="text")
    return Receiver(lambda: secret, store=store)
