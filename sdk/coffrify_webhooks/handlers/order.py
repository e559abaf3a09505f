"""The order in which a handler takes the events of one object, and what it goes by."""

from __future__ import annotations

import inspect
import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args
from uuid import UUID

from coffrify_webhooks.errors import ConfigurationError, shown
from coffrify_webhooks.event.base import read_moment

from .annotation import signature_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffrify_webhooks.delivery import Delivery
    from coffrify_webhooks.event import Event

__all__ = ["Order", "OrderKind", "Version", "is_older", "same_order"]

OrderKind: TypeAlias = Literal["serial", "latest"]
Version: TypeAlias = "int | float | str"

_OWN_TIMES = ("timestamp", "created_at", "occurred_at", "time")
"""Where senders write when an event happened. Of `data` it would be when the object was made."""
_LONGEST_VERSION = 255
"""Characters, as JSON."""


class Order:
    """What a handler goes by: `key` tells the object, `version` which event is newer.

    latest: whether what is older than the newest event that was handled is skipped.
    """

    __slots__ = ("_key", "_version", "latest")

    def __init__(
        self, key: Callable[[Any], Any], version: Callable[[Any], Any] | None, *, latest: bool
    ) -> None:
        self._key = key
        self._version = version
        self.latest: bool = latest

    @classmethod
    def from_options(cls, key: Any, order: Any, version: Any) -> Order | None:
        """Return the order that these options of `on` ask for; None if they ask for none.

        Raises ConfigurationError, naming the fix.
        """
        if order is None and key is None and version is None:
            return None
        if order not in get_args(OrderKind):
            given = f"order={shown(order)}" if order is not None else "order= is missing"
            raise ConfigurationError(
                f'{given}: give order="serial", one event of an object at a time, or '
                'order="latest", which skips what is older as well'
            )
        if key is None:
            raise ConfigurationError(
                f'order="{order}" needs to know which object an event is about: '
                "key=lambda event: event.data.id"
            )
        if version is not None and order != "latest":
            raise ConfigurationError(
                'version= tells which event is newer, and order="serial" skips none; omit it, or '
                'give order="latest"'
            )
        _refuse_unusable("key", key, "event.data.id")
        if version is not None:
            _refuse_unusable("version", version, "event.data.version")
        return cls(key, version, latest=order == "latest")

    def facts(self) -> tuple[object, ...]:
        """Return what is equal for two registrations that ask for the same."""
        # A lambda is made anew each time that the code around it runs.
        return self.latest, *(
            getattr(each, "__code__", each) for each in (self._key, self._version)
        )

    def mark_for(self, receiver: str, handler: str, event: Event) -> str:
        """Return the key of the mark that stands for an event's object and a handler.

        Raises whatever the user's function raises, and TypeError for what is no key.
        """
        text = json.dumps(_key_of(handler, self._key(event)), separators=(",", ":"))
        return sha256(f"{receiver}\0{handler}\0{text}".encode(errors="surrogatepass")).hexdigest()

    def version_of(self, handler: str, event: Event, delivery: Delivery) -> str | None:
        """Return the version of an event, as JSON; None where versions do not matter.

        Raises whatever the user's function raises, and TypeError for what is no version.
        """
        if not self.latest:
            return None
        if self._version is None:
            own = _own_time(event)
            found: Version = float(delivery.timestamp) if own is None else own
        else:
            found = _version_of(handler, self._version(event))
        text = json.dumps(found)
        if len(text) > _LONGEST_VERSION:
            raise TypeError(
                f"version= of handler {handler} returned a text of more than {_LONGEST_VERSION} "
                "characters; return a number, a time or a short text"
            )
        return text


def same_order(one: Order | None, other: Order | None) -> bool:
    """Tell whether two registrations of a handler ask for the same."""
    return (one and one.facts()) == (other and other.facts())


def is_older(handler: str, version: str, newest: str | None) -> bool:
    """Tell whether a version is older than the newest one that was handled; both are JSON.

    Raises TypeError if they cannot be compared.
    """
    if newest is None or version == newest:
        return False
    ours, theirs = json.loads(version), json.loads(newest)
    if isinstance(ours, str) is not isinstance(theirs, str):
        raise TypeError(
            f"version= of handler {handler} returned {_kind(ours)} for this event and returned "
            f"{_kind(theirs)} for an earlier one, which cannot be compared; return the same kind "
            "for each event"
        )
    return bool(ours < theirs)


def _kind(version: object) -> str:
    return "a text" if isinstance(version, str) else "a number or a time"


def _refuse_unusable(option: str, function: Any, example: str) -> None:
    """Raise ConfigurationError for what cannot be called with an event."""
    remedy = f"give a function of the event: {option}=lambda event: {example}"
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"{option}={shown(function)}: {remedy}")
    both = (function, getattr(function, "__call__", None))  # noqa: B004 - an object's own
    if any(
        inspect.iscoroutinefunction(each)
        or inspect.isgeneratorfunction(each)
        or inspect.isasyncgenfunction(each)
        for each in both
    ):
        raise ConfigurationError(f"{option} is async or has a yield; {remedy}")
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return
    try:
        signature.bind(object())
    except TypeError:
        raise ConfigurationError(f"{option} cannot be called with an event; {remedy}") from None


def _key_of(handler: str, key: Any) -> Any:
    kind = type(key).__name__
    if isinstance(key, (tuple, list)):
        parts = cast("tuple[Any, ...]", key)
        if parts:
            return [_key_of(handler, part) for part in parts]
    elif isinstance(key, UUID):
        return str(key)
    elif isinstance(key, (str, int)) and not isinstance(key, bool):
        return key
    raise TypeError(
        f"key= of handler {handler} returned {kind}, which identifies no object; return a text, an "
        "int, a UUID, or a tuple of these that is not empty"
    )


def _version_of(handler: str, version: object) -> Version:
    if isinstance(version, datetime):
        return _seconds(version)
    if isinstance(version, (str, int)) and not isinstance(version, bool):
        return version
    if isinstance(version, float) and math.isfinite(version):
        return version
    raise TypeError(
        f"version= of handler {handler} returned {type(version).__name__}, which cannot be "
        "compared; return a finite number, a text or a datetime"
    )


def _own_time(event: Event) -> float | None:
    """Return when an event happened, by its envelope, in seconds since 1970."""
    for name in _OWN_TIMES:
        with suppress(ValueError):
            return _seconds(read_moment(getattr(event, name, None)))
    return None


def _seconds(moment: datetime) -> float:
    """Return an instant in seconds since 1970; without a zone it counts as UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
