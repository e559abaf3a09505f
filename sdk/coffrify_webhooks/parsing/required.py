"""Whether the objects of a payload have the keys that their classes require.

pydantic's error for a missing key holds a copy of the object that lacks it. Of a large object that
lacks many, the copies cost far more than the object; one look at the keys costs little.
"""

from functools import lru_cache
from typing import Any

from .leaves import Opaque
from .parts import AnyOf, DictOf, ListOf, ModelOf
from .walk import Plan

__all__ = ["has_required"]


def has_required(plan: Plan, value: Any) -> bool:  # noqa: PLR0911 - one for each kind
    """Tell whether each object in a value has the keys that its class requires.

    What may be one of several classes is not looked at.
    """
    kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
    match plan:
        case ModelOf() if kind is dict:
            if not _has_keys(plan, value):
                return False
            return all(has_required(inside, value.get(key)) for key, inside in _nested(plan))
        case ListOf(items=ModelOf(needed=needed) as items) if kind is list and needed:
            if not all(each.keys() >= needed for each in value if type(each) is dict):
                return False
            return not _nested(items) or all(has_required(items, each) for each in value)
        case ListOf() if kind is list:
            return all(has_required(plan.items, each) for each in value)
        case DictOf() if kind is dict:
            return all(has_required(plan.values, each) for each in value.values())
        case AnyOf():
            arms = plan.objects if kind is dict else plan.lists if kind is list else ()
            return len(arms) != 1 or has_required(arms[0], value)
        case Opaque(inside=Plan() as inside):
            return has_required(inside, value)
        case _:
            return True


def _has_keys(plan: ModelOf, value: dict[str, Any]) -> bool:
    if plan.needed:
        return value.keys() >= plan.needed
    return all(key in value or name in value for name, key in plan.required.items())


@lru_cache(maxsize=4096)
def _nested(plan: ModelOf) -> tuple[tuple[str, Plan], ...]:
    """Return the fields that may have objects in them."""
    return tuple((key, inside) for key, (_, inside) in plan.fields.items() if _has_parts(inside))


def _has_parts(plan: Plan) -> bool:
    match plan:
        case ModelOf() | AnyOf():
            return True
        case ListOf():
            return _has_parts(plan.items)
        case DictOf():
            return _has_parts(plan.values)
        case Opaque(inside=Plan() as inside):
            return _has_parts(inside)
        case _:
            return False
