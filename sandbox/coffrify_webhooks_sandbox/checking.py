"""Checks data against a schema in bounded time, because a catalog comes from the network.

Each keyword costs steps in proportion to the data it looks at, and so does each error. A pattern
that could take long on a text is skipped.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.extras import needs
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

with needs("sandbox"):
    from jsonschema.exceptions import (
        ValidationError,
        best_match,  # pyright: ignore[reportUnknownVariableType] - its stub leaves it open
    )
    from jsonschema.validators import (
        extend,  # pyright: ignore[reportUnknownVariableType] - its stub leaves it open
    )
    from referencing import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema.protocols import Validator

__all__ = ["Steps", "TooMuchError", "bounded_validator", "first_error"]

_MOST_ERRORS = 50
_REFERENCE = 20
"""The steps that following a reference costs."""
_LONGEST_PATTERN = 1000
_MOST_OPTIONAL = 8
_MOST_LOOKS = 100_000
"""How often a pattern may look at a character of a text."""
_PLAIN = ("const", "enum", "default", "example", "examples")
"""Keywords whose values are data, not schemas."""
_WITH_PATTERNS = ("patternProperties", "additionalProperties", "unevaluatedProperties")
_CLASS = re.compile(r"\\[^0-9]|\[\^?\]?(?:\\.|[^\]\\])*\]")
_VARIABLE = re.compile(r"[*+]|\{\d*,\d*\}")


class TooMuchError(Exception):
    """Checking the data takes too long."""


class Steps:
    """The steps that checking may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Spend steps; raise TooMuchError if too few are left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchError


_steps: ContextVar[Steps] = ContextVar("steps")


def bounded_validator(kind: type[Validator], schema: Any) -> Validator:
    """Return a validator for a schema whose cost `first_error` can bound."""
    # A registry of its own: a reference to the network must stay unresolved.
    return _counting_validator(kind)(_without_costly_patterns(schema), registry=Registry[Any]())


def first_error(validator: Validator, data: Any, steps: Steps) -> ValidationError | None:
    """Return the most relevant error; raise TooMuchError, or whatever an odd schema causes."""
    token = _steps.set(steps)
    try:
        found = cast("object", best_match(islice(validator.iter_errors(data), _MOST_ERRORS)))
    finally:
        _steps.reset(token)
    return found if isinstance(found, ValidationError) else None


@lru_cache(maxsize=16)
def _counting_validator(kind: type[Validator]) -> type[Validator]:
    keywords = {name: _count_steps(name, check) for name, check in kind.VALIDATORS.items()}
    return cast("type[Validator]", extend(kind, keywords))  # type: ignore[no-untyped-call]


def _count_steps(name: str, check: Callable[..., Any]) -> Callable[..., Any]:
    def check_and_count(
        validator: Any, value: Any, data: Any, schema: Any
    ) -> Iterator[ValidationError]:
        steps = _steps.get()
        steps.spend((_REFERENCE if name == "$ref" else 1) + _size(value) + _size(data))
        if name == "uniqueItems" and is_list(data) and any(map(_size, data)):
            steps.spend(len(data) ** 2)  # they are compared by twos
        if (
            name == "pattern"
            and isinstance(data, str)
            and _estimate_looks(value, len(data)) > _MOST_LOOKS
        ):
            return
        for error in check(validator, value, data, schema) or ():
            steps.spend(1 + len(error.message) // 100)  # which may quote all of the data
            yield error

    return check_and_count


def _size(value: Any) -> int:
    return len(value) if is_list(value) or is_mapping(value) else 0


def _without_costly_patterns(schema: Any) -> Any:
    """Remove the keywords that match field names with a pattern that could take long."""
    if is_list(schema):
        return [_without_costly_patterns(each) for each in schema]
    if not is_mapping(schema):
        return schema
    patterns = schema.get("patternProperties")
    costly = is_mapping(patterns) and any(
        _estimate_looks(each, 100) > _MOST_LOOKS for each in patterns
    )
    return {
        key: value if key in _PLAIN else _without_costly_patterns(value)
        for key, value in schema.items()
        if not (costly and key in _WITH_PATTERNS)
    }


@lru_cache(maxsize=1024)
def _count_variable_parts(pattern: str) -> int:
    """Count the parts of a pattern that vary in length; 1000 if it may take exponential time."""
    bare = _CLASS.sub("x", pattern)
    repeats_group = re.search(r"\)[*+{]", bare)
    optional = len(re.findall(r"(?<![*+?}(])\?", bare))
    if len(pattern) > _LONGEST_PATTERN or repeats_group or optional > _MOST_OPTIONAL:
        return 1000
    return 1000 if re.search(r"\\[0-9]|\(\?P=|\(\?\(", bare) else len(_VARIABLE.findall(bare))


def _estimate_looks(pattern: Any, length: int) -> float:
    """Estimate how many characters of a text a pattern looks at: it may start at each of them."""
    if not isinstance(pattern, str):
        return 0
    return float(max(2, length)) ** min(
        100, _count_variable_parts(pattern) + (not pattern.startswith("^"))
    )
