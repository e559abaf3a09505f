"""Who may use the inbox: the user's functions decide, and no page of another site acts.

A browser sends a session's cookie along with a form of any site. So a POST is refused unless it
comes from a page of the inbox's own origin: `Sec-Fetch-Site`, which no page can set, must say so
where it is sent, and `Origin` must name the scheme and the host that were asked. Browsers send at
least one of them; a request with neither is no browser's, and is refused as well. There is no
token: it would need a session or a key of ours, and protect from nothing more.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.handlers.handler import is_async_callable
from coffrify_webhooks.observe import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from coffrify_webhooks.receiver import Receiver

    from .request import InboxRequest

    Permission: TypeAlias = (
        "Callable[[InboxRequest], bool] | Callable[[InboxRequest], Awaitable[bool]]"
    )

__all__ = ["Access", "Granted", "is_own_page", "place_of"]

_BEGIN_WITHIN = 5.0
_PORTS = {"http": ":80", "https": ":443"}
"""What a browser leaves out of an origin, and some proxies add to the host."""


class Granted(NamedTuple):
    """What a request may do."""

    enter: bool
    see_bodies: bool = False


class Access:
    """Asks the functions that were given as `authorize` and `bodies`.

    Only True itself admits: a coroutine that nobody awaited, or an object, is true as well.
    """

    def __init__(self, receiver: Receiver, authorize: object, bodies: object) -> None:
        self._receiver = receiver
        self._authorize = _function("authorize", authorize)
        self._bodies = None if bodies is None else _function("bodies", bodies)
        self.is_async: bool = any(map(is_async_callable, (self._authorize, self._bodies)))
        """Whether one of them is to be awaited on the caller's event loop."""

    def ask(self, request: InboxRequest) -> Granted:
        """Ask from sync code."""
        enter = self._asked(self._authorize, request)
        return Granted(
            enter, enter and self._bodies is not None and self._asked(self._bodies, request)
        )

    async def ask_async(self, request: InboxRequest) -> Granted:
        """Ask on an event loop."""
        enter = await self._asked_async(self._authorize, request)
        if not enter or self._bodies is None:
            return Granted(enter)
        return Granted(enter, await self._asked_async(self._bodies, request))

    def _asked(self, function: Callable[..., object], request: InboxRequest) -> bool:
        try:
            if is_async_callable(function):
                call = cast("Any", function)
                found: object = self._receiver.run_async(call, request, begin_within=_BEGIN_WITHIN)
            else:
                found = function(request)
        except Exception as error:  # whatever it raises, nobody enters
            logger.error("the inbox refused a request: its authorize raised %s", place_of(error))
            return False
        return _is_true(found)

    async def _asked_async(self, function: Callable[..., object], request: InboxRequest) -> bool:
        try:
            found = function(request)
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:  # whatever it raises, nobody enters
            logger.error("the inbox refused a request: its authorize raised %s", place_of(error))
            return False
        return _is_true(found)


def _function(name: str, given: object) -> Callable[..., object]:
    if not callable(given):
        raise ConfigurationError(
            f"inbox_app({name}=...) takes a function of the request that returns whether it may, "
            f"such as {name}=lambda request: is_admin(request.source)"
        )
    return given


def _is_true(found: object) -> bool:
    if inspect.iscoroutine(found):
        found.close()
    if found is not True and found is not False:
        logger.error(
            "the inbox refused a request: its authorize returned %s; only True admits",
            type(found).__name__,
        )
    return found is True


def place_of(error: BaseException) -> str:
    """Say what was raised, and where; its text may hold a session or a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"


def is_own_page(request: InboxRequest) -> bool:
    """Tell whether a form was sent by a page of the origin that it was sent to."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        return False
    return site in (None, "same-origin") and (origin is None or _is_asked(origin, request))


def _is_asked(origin: str, request: InboxRequest) -> bool:
    """Tell whether an origin is the one that was asked: by its scheme, its host and its port."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # A page of http:// may be anybody's on the way, so it may not act where TLS is spoken. The
    # reverse is a proxy at which TLS ends; that it says so can make the check only stricter.
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    schemes = ("https",) if "https" in (request.scheme, forwarded) else ("http", "https")
    port = _PORTS.get(parts.scheme, "")
    host = request.headers.get("host", "").lower()
    named = parts.scheme in schemes and bool(host)
    return named and parts.netloc.lower().removesuffix(port) == host.removesuffix(port)
