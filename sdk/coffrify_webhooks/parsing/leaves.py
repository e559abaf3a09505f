"""Plans for values that have no parts of their own: text, numbers, dates, constraints."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from annotated_types import BaseMetadata
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .walk import KINDS, At, Plan, Walk

__all__ = ["NO", "REFUSAL", "SIMPLE", "Leaf", "Opaque", "Scalar", "arms_of"]

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
SIMPLE: tuple[type, ...] = (str, int, bool, NoneType)
_WHOLE = (*SIMPLE, float, bytes, datetime, date, time, timedelta, Decimal, UUID)
_CALL = 10
"""What a function that pydantic calls costs, in steps."""
REFUSAL = 40
"""What a ValidationError costs, in steps."""
NO: Any = object()
"""What `accept` returns for a value that does not fit."""


class Leaf(Plan):
    """A value that has no parts of its own to look at."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        arms = [each for each in arms_of(annotation) if each not in (None, NoneType)]
        self.alternatives: int = len(arms)
        self._problems: dict[type, str] = {}

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """As strict as our classes are; a class of another kind brings its own configuration."""
        try:
            return TypeAdapter(self.annotation, config=_STRICT)
        except PydanticUserError:
            return TypeAdapter(self.annotation)

    def accept(self, value: Any, walk: Walk) -> Any:
        """Return what stands for a value, or NO."""
        raise NotImplementedError

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        found = self.accept(value, walk)
        return walk.misfit(self, value, at) if found is NO else found

    def likeness(self, value: Any, walk: Walk) -> tuple[int, int]:
        return (1, 0) if self.accept(value, walk) is NO else (0, 1)

    alike: frozenset[type] = frozenset({dict, list, NoneType})
    """Types of which each value that does not fit has the same problem."""

    def problem(self, value: Any) -> str:
        kind: type[object] = value.__class__
        found = self._problems.get(kind)
        if found is None:
            found = self._ask_pydantic(kind() if kind in (dict, list) else value)  # it may be large
            if kind in self.alike:
                self._problems[kind] = found
        return found

    def _ask_pydantic(self, value: Any) -> str:
        try:
            self.adapter.validate_python(value)
        except ValidationError as error:
            return _first_problem(error)
        return "value_error"


class Scalar(Leaf):
    """Text, an integer, a boolean, null, or a union of these; words: the literals it may be."""

    alike: frozenset[type] = KINDS - {float}

    def __init__(self, annotation: Any, exact: frozenset[type], words: frozenset[str]) -> None:
        super().__init__(annotation)
        self.exact = exact
        self.words = words
        self.kinds: frozenset[type] = exact | {
            str if words else NoneType,
            float if int in exact else NoneType,
        }

    def accept(self, value: Any, walk: Walk) -> Any:
        del walk
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        if kind in self.exact or (kind is str and value in self.words):
            return value
        if kind is float and int in self.exact and value.is_integer():
            return int(value)  # 5.0 is an integer to JSON schema
        return NO


class Opaque(Leaf):
    """What only pydantic can judge: a date, a constraint, a validator of the user's.

    inside: the plan for the same value without that, if there is one.
    """

    def __init__(self, annotation: Any, inside: Plan | None = None) -> None:
        super().__init__(annotation)
        self.inside = inside
        kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        self.calls: bool = _calls(annotation)
        self.has_parts: bool = (
            inside is None and get_origin(kind) is not Literal and kind not in _WHOLE
        )

    def accept(self, value: Any, walk: Walk) -> Any:
        if walk.may_judge(value):
            try:
                if self.calls:
                    walk.spend(_CALL)
                return self.adapter.validate_python(value)
            except ValidationError:
                walk.spend(REFUSAL)
        return self.inside.accept(value, walk) if isinstance(self.inside, Leaf) else NO

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        found = self.accept(value, walk)
        if found is not NO:
            return found
        if self.inside is None or isinstance(self.inside, Leaf):
            return walk.misfit(self, value, at)
        return self.inside.take(value, at, walk)


def arms_of(annotation: Any) -> list[Any]:
    """Return the alternatives of a union, or the annotation alone."""
    if get_origin(annotation) in (Union, UnionType):
        return [arm for each in get_args(annotation) for arm in arms_of(each)]
    return [annotation]


def _calls(annotation: Any) -> bool:
    """Tell whether pydantic asks more than itself about a value."""
    if get_origin(annotation) is Annotated:
        kind, *rest = get_args(annotation)
        return _calls(kind) or not all(isinstance(each, (FieldInfo, BaseMetadata)) for each in rest)
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_calls, get_args(annotation)))
    return annotation not in _WHOLE and get_origin(annotation) not in (Literal, list, dict)


def _first_problem(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return found[0]["type"]
