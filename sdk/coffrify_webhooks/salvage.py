"""A payload that does not fit its class, made into that class all the same.

What fits is typed; what does not is kept as it came; a required field that is missing is None.
Every such place is listed in `event.issues`.
"""

from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .event import Event, Issue

__all__ = ["salvage"]

_DEEPEST = 64
"""Levels; below it a payload is kept as it came, so that hostile nesting costs little."""
_MOST_ISSUES = 100
"""After that many, what does not fit is kept as it came, unlisted, for the same reason."""

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=Event)


def salvage(event_class: type[E], document: dict[str, Any]) -> E:
    """Return `document` as an `event_class`, valid or not."""
    issues: list[Issue] = []
    event = _model(event_class, document, (), issues)
    event._attach("_issues", tuple(issues))  # noqa: SLF001
    return event


def _model(
    model: type[M], document: dict[str, Any], path: tuple[str, ...], issues: list[Issue]
) -> M:
    try:
        return model.model_validate(document)
    except ValidationError:
        pass
    unknown = dict(document)
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in document:
            values[name] = _value(
                _adapter(model, name), _annotation(field), unknown.pop(key), (*path, key), issues
            )
        elif field.is_required():
            _note(issues, (*path, key), "missing")
            values[name] = None
    made = model.model_construct(**values)
    # Not as arguments: a stranger's field may be called `cls` or `_fields_set`.
    if made.model_extra is not None:
        made.model_extra.update(unknown)
    return made


def _value(
    adapter: TypeAdapter[Any],
    annotation: Any,
    value: Any,
    path: tuple[str, ...],
    issues: list[Issue],
) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        refusal = error  # not read yet: it may list every item of a long list
    if isinstance(value, float) and value.is_integer() and int in _arms(annotation):
        return int(value)  # 5.0 is an integer to JSON schema
    return _misfit(refusal, annotation, value, path, issues)


def _misfit(
    refusal: ValidationError,
    annotation: Any,
    value: Any,
    path: tuple[str, ...],
    issues: list[Issue],
) -> Any:
    if len(issues) >= _MOST_ISSUES:
        return value
    original = value
    if len(path) < _DEEPEST:
        for arm in _arms(annotation):
            if isinstance(value, dict) and isinstance(arm, type) and issubclass(arm, BaseModel):
                return _model(arm, original, path, issues)
            if isinstance(value, dict) and get_origin(arm) is dict:
                return _dict(get_args(arm)[1], original, path, issues)
            if isinstance(value, list) and get_origin(arm) is list:
                return _list(get_args(arm)[0], original, path, issues)
    problem = refusal.errors(include_url=False, include_context=False, include_input=False)[0]
    _note(issues, path, problem["type"])
    return original


def _dict(
    item: Any, value: dict[str, Any], path: tuple[str, ...], issues: list[Issue]
) -> dict[str, Any]:
    adapter = _plain_adapter(item)
    return {key: _value(adapter, item, each, (*path, key), issues) for key, each in value.items()}


def _list(item: Any, value: list[Any], path: tuple[str, ...], issues: list[Issue]) -> list[Any]:
    adapter = _plain_adapter(item)
    return [
        _value(adapter, item, each, (*path, str(index)), issues) for index, each in enumerate(value)
    ]


def _note(issues: list[Issue], path: tuple[str, ...], problem: str) -> None:
    if len(issues) < _MOST_ISSUES:
        issues.append(Issue(".".join(path), problem))


def _arms(annotation: Any) -> list[Any]:
    """The alternatives of a union, without Annotated around them; else the annotation alone."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return [arm for each in get_args(annotation) for arm in _arms(each)]
    return [annotation]


def _annotation(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


@lru_cache(maxsize=1024)
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    return _new_adapter(_annotation(model.model_fields[name]))


def _plain_adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return cast("TypeAdapter[Any]", _cached_adapter(annotation))
    except TypeError:  # unhashable metadata
        return _new_adapter(annotation)


@lru_cache(maxsize=1024)
def _cached_adapter(annotation: Any) -> Any:
    return _new_adapter(annotation)


def _new_adapter(annotation: Any) -> TypeAdapter[Any]:
    """Make an adapter as strict as the classes are; a class brings its own configuration."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return TypeAdapter(annotation)
    return TypeAdapter(cast("Any", annotation), config=_STRICT)


_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
