"""Checks data against a schema in bounded time, because a catalog comes from the network.

Each keyword costs steps in proportion to the data it looks at, and so does each error. A pattern
that could take long on a text is skipped.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from coffrify_webhooks.extras import needs
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .pattern_cost import estimate_looks

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
_MOST_LOOKS = 100_000
"""How often a pattern may look at a character of a text."""
_MOST_LOOKS_AT_A_NAME = 1000
_LONGEST_NAME = 100
_LOOKS_A_STEP = 200
_EVALUATED = 10
"""The steps for each field that it takes to find out which fields no schema speaks of."""
_PLAIN = ("const", "enum")
"""Keywords whose values are data; a reference may lead into those of all others."""
_WITH_PATTERNS = ("patternProperties", "additionalProperties", "unevaluatedProperties")


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
        if name == "pattern" and isinstance(value, str) and isinstance(data, str):
            looks = estimate_looks(value, len(data))
            if looks > _MOST_LOOKS:
                return
            steps.spend(int(looks) // _LOOKS_A_STEP)
        if name in _WITH_PATTERNS and is_mapping(data):
            names = schema.get("patternProperties")
            if (is_mapping(names) or name == "unevaluatedProperties") and any(
                len(each) > _LONGEST_NAME for each in data
            ):
                return
            of_one = sum(map(_looks_at_a_name, names)) if is_mapping(names) else 0
            if of_one > _MOST_LOOKS:
                return
            steps.spend(int(of_one) * len(data) // _LOOKS_A_STEP)
            steps.spend(_EVALUATED * len(data) * (name == "unevaluatedProperties"))
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
        _looks_at_a_name(each) > _MOST_LOOKS_AT_A_NAME for each in patterns
    )
    return {
        key: value if key in _PLAIN else _without_costly_patterns(value)
        for key, value in schema.items()
        if not (costly and key in _WITH_PATTERNS)
    }


def _looks_at_a_name(pattern: str) -> float:
    return estimate_looks(pattern, _LONGEST_NAME)
