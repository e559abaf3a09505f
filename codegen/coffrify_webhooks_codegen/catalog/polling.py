"""Polling: hear of a catalog that has changed, for as long as a service runs."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from random import uniform
from typing import Literal, Protocol

from coffrify_webhooks_codegen.digest import digest
from coffrify_webhooks_codegen.errors import CatalogError, PullError, RateLimitedError

from .catalog import Catalog
from .client import pull

__all__ = ["Stop", "poll"]

logger: logging.Logger = logging.getLogger("coffrify_webhooks.catalog")

_LEAST = 60.0
_DAY = 86_400.0


class Stop(Protocol):
    """What ends the polling: a `threading.Event`, or something that behaves like one."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float, /) -> bool: ...


def poll(
    interval: float,
    callback: Callable[[Catalog, Catalog], object],
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    cache: Path | str | Literal[False] | None = None,
    known: Catalog | None = None,
    stop: Stop | None = None,
    on_error: Callable[[Exception], object] | None = None,
    least: float = _LEAST,
) -> None:
    """Pull every `interval` seconds, and call back with the old and the new catalog on a change.

    It returns when `stop` is set, and runs in the thread that calls it: give it one of its own,
    `Thread(target=poll, args=(3600, callback), daemon=True).start()`.

    known: the catalog to compare the first one with; without it the first is only remembered.
    on_error: told of each kind of error once, until a pull succeeds again; else it is logged.
        No error ends the polling, neither the callback's own: it is called again next time.
    least: the shortest interval that is allowed, for tests.

    Raises ValueError if the interval is shorter. Order makes no difference between catalogs.
    """
    if not interval >= least:
        raise ValueError(f"interval should be {least:g} seconds or more")
    stop = threading.Event() if stop is None else stop
    reported: set[tuple[object, ...]] = set()
    while not stop.is_set():
        wait = interval
        try:
            new = pull(api_key, api_url, cache=cache, sleep=stop.wait)
            if known is not None and digest(known) != digest(new):
                callback(known, new)
            known = new
            reported.clear()
        except Exception as error:  # a poll that dies unnoticed helps no one
            if isinstance(error, RateLimitedError):
                wait = max(wait, min(error.wait or 0, _DAY))
            kind = (type(error), error.status if isinstance(error, PullError) else None)
            if kind not in reported:
                reported.add(kind)
                _report_error(error, on_error)
        # Many processes that started together need not ask together.
        stop.wait(wait * uniform(1, 1.1))


def _report_error(error: Exception, on_error: Callable[[Exception], object] | None) -> None:
    if on_error is not None:
        try:
            on_error(error)
        except Exception:
            logger.exception("on_error raised")
    elif isinstance(error, CatalogError):
        logger.warning("the catalog could not be pulled: %s", error)
    else:
        logger.error("the poll's callback raised", exc_info=error)
