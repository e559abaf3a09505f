"""How far pydantic may be trusted with a whole body of a class, before any of it is known.

What does not fit costs an entry in its list of errors, as many as there are fields; a
union is tried alternative by alternative, at each level anew. Both are bounded by the class alone,
or not at all.
"""

from functools import lru_cache
from math import inf
from typing import NamedTuple

from pydantic import BaseModel

from coffrify_webhooks.event import Event, EventModel

from .compiler import plan_of
from .leaves import Leaf, Opaque
from .parts import AnyOf, DictOf, ListOf, ModelOf
from .walk import Plan

__all__ = ["Bounds", "bounds_of"]

_SMALL = 4096
"""Bytes, in which even a recursive class cannot do much, but for long lists of errors."""
_MOST_ERRORS_IF_SMALL = 1000
_MOST_TIME_IF_SMALL = 1_500_000
"""Nanoseconds; both are a millisecond or so, which nobody minds."""
_MOST_SLOTS = 1_500_000
"""Attributes of all objects, at fifty bytes or so."""
_SLOT_TIME, _CALL_TIME, _REFUSAL_TIME = 80, 900, 3000
"""Nanoseconds for an attribute, for a function of Python's, and for what it raises."""
_READ_BYTE, _READ_PART = 2, 100
"""Nanoseconds in which `json.loads` reads a byte, and an object or a member of one."""
_MOST_TIMES = 7
"""`json.loads` of the body that validating it may cost; salvage may follow."""
_MOST_ERRORS = 1000
"""Entries of pydantic's list; each holds what does not fit."""
_MOST_ERRORS_A_MEMBER = 3
"""Likewise for each member of an object that may have any keys."""
_MOST_TRIES = 2
"""How often one part of a body may be looked at, where alternatives are tried in turn."""
_MOST_ARMS = 4
"""Alternatives: the error of each holds a copy of the value, which may be all of the body."""
_MOST_TRIES_IF_SMALL = 32
_MOST_COPIES = 3
"""Of one part of a body, in errors of missing keys."""
_MOST_COPIED = 32_768
"""Bytes, in which copies do not matter: they take two milliseconds at the most."""


class Bounds(NamedTuple):
    """What is known of a class."""

    largest: int | None
    """The largest body, in bytes, that may be validated as a whole; None for any."""
    slots: int
    """What one of many objects of a payload may take, in attributes."""
    object_time: int = 0
    """What one of many objects may take, in nanoseconds."""
    item_time: int = 0
    """What one of many values that are no objects may take beyond the usual, likewise."""
    copies: int = 0
    """How many keys may be missing around one part: the error of each holds a copy of it."""
    errors_a_member: int = 0
    """How many errors each member of objects may cause; zero where they are few anyway."""

    def asks_for_keys(self, body: bytes) -> bool:
        """Tell whether keys may be missing from a body only if it is not validated as a whole."""
        return self.copies > _MOST_COPIES and self.copies * len(body) > _MOST_COPIED

    def allow(self, body: bytes) -> bool:
        """Tell whether a body may be validated as a whole."""
        size = len(body)
        if self.largest is not None and size > self.largest:
            return False
        if size <= _SMALL:
            return not self.errors_a_member or self._is_short(body)
        objects = body.count(b"{")
        if objects * self.slots > _MOST_SLOTS:
            return False
        time = objects * self.object_time
        if self.item_time:
            time += (body.count(b",") + objects + body.count(b"[")) * self.item_time
        read = size * _READ_BYTE + objects * _READ_PART
        return time < _MOST_TIMES * read or (
            time < _MOST_TIMES * (read + body.count(b'":') * _READ_PART)
        )

    def _is_short(self, body: bytes) -> bool:
        """Tell whether a small body has so few parts that pydantic does not do much with it."""
        members, objects = body.count(b":"), body.count(b"{")  # lists end with the first error
        time = objects * self.object_time
        if self.item_time:
            time += (body.count(b",") + objects + body.count(b"[")) * self.item_time
        return time <= _MOST_TIME_IF_SMALL and (
            members * self.errors_a_member <= _MOST_ERRORS_IF_SMALL
        )


@lru_cache(maxsize=1024)
def bounds_of(event_class: type[BaseModel]) -> Bounds:
    """Return what is known of an event class; computed once."""
    plan = plan_of(event_class)
    models = _reachable(plan)
    repeated = _find_repeated(models)
    slots = max((each.slots for each in repeated), default=1)
    tries = _Tries(models).of(plan)
    if tries > _MOST_TRIES_IF_SMALL:
        return Bounds(0, slots)
    arms, errors = max(map(_arms, _all_plans(models))), _Errors().of(plan)
    whole = arms <= _MOST_ARMS and tries <= _MOST_TRIES and errors <= _MOST_ERRORS
    largest = None if whole else _SMALL // max(1, slots // 32)
    copies = _Copies()
    among = max(map(copies.of, _choices(models)), default=0)
    if among > _MOST_COPIES:
        largest = min(largest or _MOST_COPIED, _MOST_COPIED // among)
    item_time = max((_item_time(each) for model in models for each in _parts_of(model)), default=0)
    few = whole and errors <= _MOST_ERRORS_IF_SMALL and not item_time
    return Bounds(
        largest,
        slots,
        tries * max((_time_of(each) for each in repeated), default=0),
        tries * item_time,
        copies.of(plan),
        0 if few else tries * max(arms, *(len(each.required) for each in models)),
    )


def _all_plans(models: set[ModelOf]) -> list[Plan]:
    found: list[Plan] = list(models)
    for model in models:
        todo = _parts_of(model)
        while todo:
            plan = todo.pop()
            if not isinstance(plan, ModelOf):
                found.append(plan)
                todo += _parts_of(plan)
    return found


def _choices(models: set[ModelOf]) -> list[AnyOf]:
    """Return the places where a value may be one of several lists or objects."""
    found = [each for each in _all_plans(models) if isinstance(each, AnyOf)]
    return [each for each in found if max(len(each.lists), len(each.objects)) > 1]


def _arms(plan: Plan) -> int:
    """Return how many alternatives a value has."""
    if isinstance(plan, AnyOf):
        return len(plan.lists) + len(plan.objects) + (_arms(plan.rest) if plan.rest else 0)
    return plan.alternatives


def _time_of(model: ModelOf) -> int:
    fields = [plan for _, plan in model.fields.values()]
    time = model.slots * _SLOT_TIME + sum(map(_leaf_time, fields))
    return time + _leaf_time(model) + _CALL_TIME * (model.judged or model.has_post_init)


def _item_time(plan: Plan) -> int:
    """Return what one of many values in a field of a class takes."""
    if isinstance(plan, (ListOf, DictOf)):
        (items,) = _parts_of(plan)
        return max(_leaf_time(items), _item_time(items))
    if isinstance(plan, ModelOf):
        return 0
    return max((_item_time(each) for each in _parts_of(plan)), default=0)


def _leaf_time(plan: Plan) -> int:
    """Return what one value takes that is judged by a function of Python's."""
    match plan:
        case AnyOf():
            arms = [*plan.lists, *plan.objects, *filter(None, [plan.rest])]
            return max(map(_leaf_time, arms), default=0)
        case ModelOf(loose=True):
            return _CALL_TIME
        case Opaque(inside=Plan()) if not isinstance(plan.inside, Leaf):
            return 0
        case Plan(calls=True):
            return _CALL_TIME + _REFUSAL_TIME * (plan.alternatives if plan.alternatives > 1 else 0)
        case _:
            return 0


def _parts_of(plan: Plan) -> list[Plan]:
    """Return the plans for the parts of a value, or for its alternatives."""
    match plan:
        case Opaque(inside=Plan() as inside):
            return [inside]
        case ListOf():
            return [plan.items]
        case DictOf():
            return [plan.values]
        case ModelOf():
            return [found for _, found in plan.fields.values()]
        case AnyOf():
            return [*plan.lists, *plan.objects]
        case _:
            return []


def _reachable(*plans: Plan) -> set[ModelOf]:
    found: set[ModelOf] = set()
    todo = list(plans)
    while todo:
        plan = todo.pop()
        if isinstance(plan, ModelOf):
            if plan in found:
                continue
            found.add(plan)
        todo += _parts_of(plan)
    return found


def _find_repeated(models: set[ModelOf]) -> set[ModelOf]:
    """Return the classes of which a payload may hold any number."""
    found: set[ModelOf] = set()
    for model in models:
        todo = _parts_of(model)
        while todo:
            plan = todo.pop()
            if isinstance(plan, (ListOf, DictOf)):
                found |= _reachable(plan)
            elif isinstance(plan, ModelOf):
                if model in _reachable(plan):
                    found.add(model)
            else:
                todo += _parts_of(plan)
    return found


class _Tries:
    """How often a part of a payload may be looked at: once for each combination of alternatives."""

    def __init__(self, models: set[ModelOf]) -> None:
        self._known: dict[ModelOf, int] = {}
        self._endless = {model for model in models if self._doubles(model)}

    def of(self, plan: Plan) -> int:
        if not isinstance(plan, ModelOf):
            if isinstance(plan, AnyOf):
                return max(sum(map(self.of, arms)) for arms in (plan.lists, plan.objects, [Plan()]))
            return max(map(self.of, _parts_of(plan)), default=1)
        if plan in self._endless:
            return 10**9
        if plan not in self._known:
            self._known[plan] = 1  # where it contains itself: that adds no alternative
            self._known[plan] = max(map(self.of, _parts_of(plan)), default=1)
        return self._known[plan]

    @staticmethod
    def _doubles(model: ModelOf) -> bool:
        """Tell whether a model contains itself by way of a union of several."""
        todo = _parts_of(model)
        while todo:
            plan = todo.pop()
            if isinstance(plan, AnyOf):
                for arms in (plan.lists, plan.objects):
                    if len(arms) > 1 and model in _reachable(*arms):
                        return True
            if not isinstance(plan, ModelOf):
                todo += _parts_of(plan)
        return False


class _Errors:
    """How many errors pydantic may list, if lists end with the first; endless in recursion."""

    def __init__(self) -> None:
        self._known: dict[ModelOf, float] = {}

    def of(self, plan: Plan, *, ours: bool = True) -> float:
        if isinstance(plan, ModelOf):
            if plan not in self._known:
                self._known[plan] = inf  # where it contains itself
                ours = issubclass(plan.model, (Event, EventModel))
                inside = [self.of(each, ours=ours) for each in _parts_of(plan)]
                self._known[plan] = 1 + sum(inside)
            return self._known[plan]
        inside = [self.of(each, ours=ours) for each in _parts_of(plan)]
        most = 1 + sum(inside)
        if isinstance(plan, ListOf) and not ours:
            return inf
        if isinstance(plan, DictOf) and most > _MOST_ERRORS_A_MEMBER:
            return inf
        return inf if isinstance(plan, Opaque) and plan.has_parts else most


class _Copies:
    """How many keys may be missing around one part; a class within itself counts once."""

    def __init__(self) -> None:
        self._known: dict[ModelOf, int] = {}

    def of(self, plan: Plan) -> int:
        if isinstance(plan, ModelOf):
            if plan not in self._known:
                self._known[plan] = 0  # where it contains itself
                inside = [  # where a required key leads, that one is there
                    self.of(each) - (name in plan.required) for name, each in plan.fields.values()
                ]
                self._known[plan] = len(plan.required) + max(inside, default=0)
            return self._known[plan]
        if isinstance(plan, AnyOf):
            return max(sum(map(self.of, arms)) for arms in (plan.lists, plan.objects))
        return max(map(self.of, _parts_of(plan)), default=0)
