"""Plans for values that have parts: lists, objects, objects of a class, unions of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from coffrify_webhooks.event import LooseModel

from .leaves import NO, REFUSAL, SIMPLE, Leaf, Opaque, Scalar
from .walk import KINDS, At, Plan, Walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

__all__ = ["AnyOf", "DictOf", "ListOf", "ModelOf", "bare"]

_EARN_ITEM, _EARN_OBJECT, _EARN_MEMBER = 2, 3, 10
"""Steps that a walk gets for each part it comes to: some times what reading it as JSON cost."""
_PART = 6
"""Steps that a list or an object costs beside its members."""
_set = object.__setattr__


class ListOf(Plan):
    """A list, each item of it by one plan."""

    kinds: frozenset[type] = frozenset({list})

    def __init__(self, items: Plan) -> None:
        self.items = items

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        if type(value) is not list:
            return walk.misfit(self, value, at)
        items: list[Any] = cast("Any", value)
        size = len(items)
        if type(self.items) is Plan or self.items.exact.issuperset(map(type, items)):
            walk.enter(_EARN_ITEM * size, size // 4 + _PART)
            return items
        if not walk.enter(_EARN_ITEM * size, size + _PART):
            return walk.skip(value, at)
        made: list[Any] = []
        walk.levels -= 1
        self._fill(made, items, at, walk)
        walk.levels += 1
        return made

    def _fill(self, made: list[Any], value: list[Any], at: At, walk: Walk) -> None:
        plan, exact, kinds, append = self.items, self.items.exact, self.items.kinds, made.append
        full = walk.is_full
        for index, each in enumerate(value):
            kind = type(each)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
            if kind in exact:
                append(each)
            elif full and kind not in kinds:
                append(each)
                walk.more += 1
            elif walk.steps > 0:
                append(plan.take(each, (at, index), walk))
                full = walk.is_full
            else:
                made += walk.rest(value[index:], (at, index))
                break

    def problem(self, value: Any) -> str:
        del value
        return "list_type"

    def likeness(self, value: Any, walk: Walk) -> tuple[int, int]:
        if not isinstance(value, list):
            return 1, 0
        items: list[Any] = cast("Any", value)
        return self.items.likeness(items[0], walk) if items else (0, 0)


class DictOf(Plan):
    """An object with any keys, each value of it by one plan."""

    kinds: frozenset[type] = frozenset({dict})

    def __init__(self, values: Plan) -> None:
        self.values = values

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        if type(value) is not dict:
            return walk.misfit(self, value, at)
        members: dict[str, Any] = cast("Any", value)
        size = len(members)
        if type(self.values) is Plan or self.values.exact.issuperset(map(type, members.values())):
            walk.enter(_EARN_MEMBER * size, size // 4 + _PART)
            return members
        if not walk.enter(_EARN_MEMBER * size, size + _PART):
            return walk.skip(value, at)
        made: dict[str, Any] = {}
        walk.levels -= 1
        self._fill(made, members, at, walk)
        walk.levels += 1
        return made

    def _fill(self, made: dict[str, Any], value: dict[str, Any], at: At, walk: Walk) -> None:
        plan, exact = self.values, self.values.exact
        for key, each in value.items():
            if type(each) in exact or walk.steps <= 0:
                made[key] = each
            else:
                made[key] = plan.take(each, (at, key), walk)
        if walk.steps <= 0:
            walk.rest(value, at)

    def problem(self, value: Any) -> str:
        del value
        return "dict_type"


class ModelOf(Plan):
    """An object with the fields of a class."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.fields: dict[str, tuple[str, Plan]] = {}
        """By key in the payload: the attribute, and its plan."""
        self.blank: dict[str, Any] = {}
        self.factories: list[tuple[str, FieldInfo]] = []
        self.required: dict[str, str] = {}
        """By attribute: the key that has to be there."""
        self.loose: bool = issubclass(model, LooseModel)
        self.kinds: frozenset[type] = KINDS if self.loose else frozenset({dict})
        self.needed: frozenset[str] = frozenset()
        """Keys that have to be there, where no other spelling is taken."""
        self.private: dict[str, Any] = dict(model.__private_attributes__)
        self.keeps_extra: bool = model.model_config.get("extra") == "allow"
        self.has_post_init: bool = bool(model.__pydantic_post_init__)
        self.slots: int = 8 + len(model.model_fields)
        self.cost: int = 15 + len(model.model_fields) // 8
        self.judged: bool = _has_validators(model)
        """Whether pydantic has more to say than the annotations do."""

    def complete(self, compile_plan: Callable[[Any], Plan]) -> None:
        """Compile the fields; not at once, since a class may refer to itself."""
        by_name = self.model.model_config.get("populate_by_name") or self.model.model_config.get(
            "validate_by_name"
        )
        for name, field in self.model.model_fields.items():
            plan = compile_plan(_annotation(field))
            alias = field.validation_alias or field.alias
            key = alias if isinstance(alias, str) else name
            if by_name:
                self.fields.setdefault(name, (name, plan))
            self.fields[key] = (name, plan)
            self.blank[name] = None
            if field.is_required():
                self.required[name] = key
            elif field.default_factory or not isinstance(field.default, (*SIMPLE, float)):
                self.factories.append((name, field))
            else:
                self.blank[name] = field.default
        if all(name == key for name, key in self.required.items()):
            self.needed = frozenset(self.required)

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        if kind is not dict:
            return value if self.loose else walk.misfit(self, value, at)
        if self.judged and walk.may_judge(value):
            try:
                return self.model.model_validate(value)
            except ValidationError:
                walk.spend(REFUSAL)
        size, full = len(value), walk.is_full
        if full and not value.keys() >= self.needed:
            walk.more += 1
            walk.steps -= 1
            return value
        earned = _EARN_OBJECT + _EARN_MEMBER * size
        if not walk.enter(earned, 2 * size + self.cost, self.slots):
            return walk.skip(value, at)
        before = walk.more
        made = self.model.__new__(self.model)
        # Past pydantic's own setters: the class is frozen, and names of fields mean nothing here.
        _set(made, "__pydantic_private__", self._private() if self.private else None)
        walk.levels -= 1
        self._fill(made, value, at, walk)
        walk.levels += 1
        if self.has_post_init:
            try:
                made.model_post_init(None)
            except Exception:  # the user's own, and made for what fits
                walk.note(at, "value_error")
        if full and walk.more > before:
            walk.slots += self.slots
            return value  # nobody would know what is off in it
        return made

    def _private(self) -> dict[str, Any]:
        found = {name: attribute.get_default() for name, attribute in self.private.items()}
        return {name: value for name, value in found.items() if value is not PydanticUndefined}

    def _fill(self, made: BaseModel, value: dict[str, Any], at: At, walk: Walk) -> None:
        find, values = self.fields.get, self.blank.copy()
        given: set[str] = set()
        extra: dict[str, Any] = {}
        for key, each in value.items():
            known = find(key)
            if known is None:
                extra[key] = each
                continue
            name, plan = known
            if name == key and name in given:
                extra[key] = each
                continue
            given.add(name)
            values[name] = each if type(each) in plan.exact else plan.take(each, (at, key), walk)
        walk.given += len(given)
        if self.required and not given.issuperset(self.required):
            for name, key in self.required.items():
                if name not in given:
                    walk.note((at, key), "missing")
        for name, field in self.factories:
            if name not in given:
                values[name] = field.get_default(call_default_factory=True, validated_data=values)
        _set(made, "__dict__", values)
        _set(made, "__pydantic_fields_set__", given)
        if extra and self.keeps_extra:
            given.update(extra)
        _set(made, "__pydantic_extra__", extra if self.keeps_extra else None)

    def problem(self, value: Any) -> str:
        del value
        return "model_type"

    def likeness(self, value: Any, walk: Walk) -> tuple[int, int]:
        if not isinstance(value, dict):
            return int(not self.loose), 0
        misfits, known, seen = 0, 0, set[str]()
        members: dict[str, Any] = cast("Any", value)
        walk.spend(2 * len(members) + 8)
        for key, each in members.items():
            field = self.fields.get(key)
            if field is None:
                continue
            seen.add(field[0])
            known += 1
            plan = field[1]
            if type(each) not in plan.exact and not isinstance(each, (dict, list)):
                misfits += plan.likeness(each, walk)[0]
            elif isinstance(each, (dict, list)) and isinstance(plan, Scalar):
                misfits += 1  # anything else with parts is judged when it is taken
        return misfits + len(self.required.keys() - seen), known


class AnyOf(Plan):
    """A union in which some alternative has parts."""

    def __init__(self, arms: list[Plan], rest: Leaf | None, first: Plan) -> None:
        self.lists: list[Plan] = [arm for arm in arms if isinstance(bare(arm), ListOf)]
        self.objects: list[Plan] = [arm for arm in arms if isinstance(bare(arm), (DictOf, ModelOf))]
        self.rest = rest
        """For whatever is neither a list nor an object."""
        self.exact: frozenset[type] = rest.exact if rest else frozenset()
        self.first = first
        """The alternative that problems are named after."""
        self.kinds: frozenset[type] = frozenset(
            k for arm in (*arms, *filter(None, [rest])) for k in arm.kinds
        )
        self.anything: bool = any(isinstance(arm, ModelOf) and arm.loose for arm in arms)

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        arms = self.objects if kind is dict else self.lists if kind is list else None
        if arms:
            if len(arms) == 1:
                return arms[0].take(value, at, walk)
            return walk.choose(arms, value, at)
        found = self.rest.accept(value, walk) if self.rest else NO
        if found is not NO:
            return found
        return value if self.anything else walk.misfit(self, value, at)

    def problem(self, value: Any) -> str:
        return self.first.problem(value)

    def likeness(self, value: Any, walk: Walk) -> tuple[int, int]:
        if self.anything:
            return 0, 0
        return self.rest.likeness(value, walk) if self.rest else (1, 0)


def bare(plan: Plan) -> Plan:
    """Return the plan inside of a constraint, if there is one."""
    return plan.inside if isinstance(plan, Opaque) and plan.inside else plan


def _annotation(field: FieldInfo) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _has_validators(model: type[BaseModel]) -> bool:
    found = model.__pydantic_decorators__
    return bool(
        found.validators
        or found.field_validators
        or found.root_validators
        or len(found.model_validators) > issubclass(model, LooseModel)
    )
