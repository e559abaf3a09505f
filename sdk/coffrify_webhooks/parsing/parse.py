"""Bytes to a typed event; never loses an event to a schema."""

import json
import re
import sys
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json

from coffrify_webhooks.errors import PayloadError
from coffrify_webhooks.event import Event, UnknownEvent, count_issues

from .bounds import bounds_of
from .collection import uncollected
from .compiler import plan_of
from .registry import Registry, bundled
from .required import has_required
from .salvage import salvage

__all__ = ["LARGE", "parse"]

LARGE = 65_536
"""Bytes from which on parsing takes milliseconds, and is worth a thread under an event loop."""

_MOST_LEVELS = 950
"""Python's own limit depends on its version, and on how deep in calls a server is."""

# A nested "type" may come first; the class's own Literal confirms or refutes the hint.
_TYPE_HINT = re.compile(rb'"type"\s*:\s*"([a-z0-9_.]{1,100})"')


def parse(body: bytes, *, strict: bool = False, registry: Registry = bundled) -> Event:
    """Return the event in a body. This verifies nothing: anyone may have written these bytes.

    A type that `registry` does not know becomes an `UnknownEvent`; what does not fit its class
    is salvaged field by field, and `event.issues` lists it. Costs a few times `json.loads`.

    body: the raw bytes of a JSON object with a string `type`. strict: refuse what would have to
    be salvaged. Raises PayloadError, and nothing else, for bytes that hold no event.
    """
    if not isinstance(body, bytes):
        body = _raw(body)
    if len(body) > LARGE:
        with uncollected:
            return _parse(body, registry, strict=strict)
    return _parse(body, registry, strict=strict)


def _parse(body: bytes, registry: Registry, *, strict: bool) -> Event:
    hint = _TYPE_HINT.search(body)
    event_class = registry.get(hint[1].decode()) if hint else None
    # Let pydantic take the whole body, if what that may cost is bounded for this class.
    if event_class is not None and (bounds := bounds_of(event_class)).allow(body):
        if bounds.asks_for_keys(body):
            loaded = _load(body)
            if not has_required(plan_of(event_class), loaded):
                return _salvage(loaded, body, registry, strict=strict)
            del loaded
        try:
            # What `model_validate_json` calls, which looks at its options first, for 1 us.
            event: Event = event_class.__pydantic_validator__.validate_json(body)
        except ValidationError:
            pass
        else:
            return event._attach(body)
    return _salvage(_load(body), body, registry, strict=strict)


def _raw(body: Any) -> bytes:
    if isinstance(body, (bytearray, memoryview)):
        return bytes(body)  # pyright: ignore[reportUnknownArgumentType]
    raise PayloadError(f"the body is {type(body).__name__}, not the raw bytes")


def _salvage(loaded: Any, body: bytes, registry: Registry, *, strict: bool) -> Event:
    if not isinstance(loaded, dict):
        raise PayloadError("the body is not a JSON object")
    document = cast("dict[str, Any]", loaded)
    event_type = document.get("type")
    if not isinstance(event_type, str):
        raise PayloadError("the body has no string `type`")
    event_class = registry.get(event_type) or UnknownEvent
    event = salvage(event_class, document)
    if strict and (count := count_issues(event)):
        raise PayloadError(
            f"the body does not fit {event_class.__name__} in {count} place(s); "
            "parse(body).issues lists them"
        )
    return event._attach(body, event._issues)


def _load(body: bytes) -> Any:
    """Read JSON; the standard library takes what the fast parser refuses: a BOM, surrogates."""
    try:
        return from_json(body)
    except ValueError:
        pass
    reason = f"nested too deep: {_MOST_LEVELS} levels are the most"
    try:
        loaded = json.loads(body)
        if not _is_deep(loaded):
            return loaded
    except RecursionError:
        pass
    except (json.JSONDecodeError, UnicodeDecodeError):
        reason = "not JSON"
    except ValueError:  # as Python says it: converting it takes the square of its length
        reason = f"JSON with an integer of more than {sys.get_int_max_str_digits()} digits"
    # Out here, or the error's context would hold the body.
    raise PayloadError(f"the body is {reason}")


def _is_deep(loaded: Any) -> bool:
    """Tell whether a document has too many levels; the fast parser takes 200 at most."""
    level: list[Any] = [[loaded]]
    for _ in range(_MOST_LEVELS + 1):
        level = [
            each
            for found in level
            for each in (cast("Any", found).values() if isinstance(found, dict) else found)
            if isinstance(each, (list, dict))
        ]
        if not level:
            return False
    return True
