"""Polls the catalog, and reports each change for as long as a service runs."""

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
    """Ends the polling: a `threading.Event`, or an object that behaves like one."""

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
    """Pull every `interval` seconds, and call `callback(old, new)` when the catalog has changed.

    It runs in the calling thread until `stop` is set, so give it a thread of its own:
    `Thread(target=poll, args=(3600, callback), daemon=True).start()`.

    known: the catalog that the first one is compared with; by default nothing.
    on_error: called once with each kind of error until a pull succeeds again; by default the
        error is logged. No error ends the polling, not even one that the callback raises.
    least: the shortest interval allowed; tests lower it.

    Raises ValueError if the interval is shorter. The order of events is not a change.
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
        except Exception as error:  # polling must not end unnoticed
            if isinstance(error, RateLimitedError):
                wait = max(wait, min(error.wait or 0, _DAY))
            kind = (type(error), error.status if isinstance(error, PullError) else None)
            if kind not in reported:
                reported.add(kind)
                _report_error(error, on_error)
        # Spreads the requests of processes that started together.
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
