"""What an event class says of its payload, compiled to plans that `salvage` walks a payload by.

A plan takes one value. It looks at each part of it once, whatever the class, and never asks
pydantic about more than a small part at a time: pydantic's list of errors has no bound.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from annotated_types import BaseMetadata
from pydantic import (
    BaseModel,
    ConfigDict,
    PydanticUserError,
    RootModel,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from coffrify_webhooks.event import LooseModel

if TYPE_CHECKING:
    from .salvage import At, Walk

__all__ = ["AnyOf", "DictOf", "Leaf", "ListOf", "ModelOf", "Opaque", "Plan", "plan_of"]

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_SIMPLE = (str, int, bool, NoneType)
_WHOLE = (*_SIMPLE, float, bytes, datetime, date, time, timedelta, Decimal, UUID)
_EARN_ITEM, _EARN_OBJECT, _EARN_MEMBER = 2, 3, 10
"""Steps that a walk gets for each part it comes to: some times what reading it as JSON cost."""
_KINDS: frozenset[type] = frozenset({dict, list, str, int, float, bool, NoneType})
_CALL, _REFUSAL = 10, 40
"""What a function that pydantic calls costs, and a ValidationError, in steps."""
_NO: Any = object()
"""What `accept` returns for a value that does not fit."""
_set = object.__setattr__


class Plan:
    """Anything goes; the others narrow it."""

    exact: frozenset[type] = frozenset()
    """Values of these very types fit, and stay as they are."""
    kinds: frozenset[type] = _KINDS
    """Values of other types cannot fit."""
    calls: bool = False
    """Whether judging a value may call functions of Python's."""
    alternatives: int = 1

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        """Return what stands for a value; `walk` hears what does not fit."""
        del at, walk
        return value

    def problem(self, value: Any) -> str:
        """Say what is off with a value, as pydantic's error type."""
        del value
        return "value_error"

    def likeness(self, value: Any, walk: "Walk") -> tuple[int, int]:
        """Tell how many parts of a value do not fit, and how many do, without going deeper."""
        del value, walk
        return 0, 0


class Leaf(Plan):
    """A value that has no parts of its own to look at."""

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation
        arms = [each for each in _arms(annotation) if each not in (None, NoneType)]
        self.alternatives = len(arms)

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """As strict as our classes are; a class of another kind brings its own configuration."""
        try:
            return TypeAdapter(self.annotation, config=_STRICT)
        except PydanticUserError:
            return TypeAdapter(self.annotation)

    def accept(self, value: Any, walk: "Walk") -> Any:
        """Return what stands for a value, or _NO."""
        raise NotImplementedError

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        found = self.accept(value, walk)
        return walk.misfit(self, value, at) if found is _NO else found

    def likeness(self, value: Any, walk: "Walk") -> tuple[int, int]:
        return (1, 0) if self.accept(value, walk) is _NO else (0, 1)

    def problem(self, value: Any) -> str:
        if isinstance(value, (dict, list)):
            value = (
                {} if isinstance(value, dict) else []
            )  # only its kind matters, and it may be large
        try:
            self.adapter.validate_python(value)
        except ValidationError as error:
            return _first(error)
        return "value_error"


class Scalar(Leaf):
    """Text, an integer, a boolean, null, or a union of these; words: the literals it may be."""

    def __init__(self, annotation: Any, exact: frozenset[type], words: frozenset[str]) -> None:
        super().__init__(annotation)
        self.exact = exact
        self.words = words
        self.kinds: frozenset[type] = exact | {
            str if words else NoneType,
            float if int in exact else NoneType,
        }

    def accept(self, value: Any, walk: "Walk") -> Any:
        del walk
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        if kind in self.exact or (kind is str and value in self.words):
            return value
        if kind is float and int in self.exact and value.is_integer():
            return int(value)  # 5.0 is an integer to JSON schema
        return _NO


class Opaque(Leaf):
    """What only pydantic can judge: a date, a constraint, a validator of the user's.

    inside: the plan for the same value without that, if there is one.
    """

    def __init__(self, annotation: Any, inside: Plan | None = None) -> None:
        super().__init__(annotation)
        self.inside = inside
        kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
        self.calls = _calls(annotation)
        self.has_parts: bool = (
            inside is None and get_origin(kind) is not Literal and kind not in _WHOLE
        )

    def accept(self, value: Any, walk: "Walk") -> Any:
        if walk.may_judge(value):
            try:
                if self.calls:
                    walk.spend(_CALL)
                return self.adapter.validate_python(value)
            except ValidationError:
                walk.spend(_REFUSAL)
        return self.inside.accept(value, walk) if isinstance(self.inside, Leaf) else _NO

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        found = self.accept(value, walk)
        if found is not _NO:
            return found
        if self.inside is None or isinstance(self.inside, Leaf):
            return walk.misfit(self, value, at)
        return self.inside.take(value, at, walk)


class ListOf(Plan):
    """A list, each item of it by one plan."""

    kinds: frozenset[type] = frozenset({list})

    def __init__(self, items: Plan) -> None:
        self.items = items

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        if type(value) is not list:
            return walk.misfit(self, value, at)
        items: list[Any] = cast("Any", value)
        size = len(items)
        if type(self.items) is Plan or self.items.exact.issuperset(map(type, items)):
            walk.enter(_EARN_ITEM * size, size // 4)
            return items
        if not walk.enter(_EARN_ITEM * size, size + 2):
            return walk.skip(value, at)
        made: list[Any] = []
        walk.levels -= 1
        self._fill(made, items, at, walk)
        walk.levels += 1
        return made

    def _fill(self, made: list[Any], value: list[Any], at: "At", walk: "Walk") -> None:
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

    def likeness(self, value: Any, walk: "Walk") -> tuple[int, int]:
        if not isinstance(value, list):
            return 1, 0
        items: list[Any] = cast("Any", value)
        return self.items.likeness(items[0], walk) if items else (0, 0)


class DictOf(Plan):
    """An object with any keys, each value of it by one plan."""

    kinds: frozenset[type] = frozenset({dict})

    def __init__(self, values: Plan) -> None:
        self.values = values

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        if type(value) is not dict:
            return walk.misfit(self, value, at)
        members: dict[str, Any] = cast("Any", value)
        size = len(members)
        if type(self.values) is Plan or self.values.exact.issuperset(map(type, members.values())):
            walk.enter(_EARN_MEMBER * size, size // 4)
            return members
        if not walk.enter(_EARN_MEMBER * size, size + 2):
            return walk.skip(value, at)
        made: dict[str, Any] = {}
        walk.levels -= 1
        self._fill(made, members, at, walk)
        walk.levels += 1
        return made

    def _fill(self, made: dict[str, Any], value: dict[str, Any], at: "At", walk: "Walk") -> None:
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
        self.kinds: frozenset[type] = _KINDS if self.loose else frozenset({dict})
        self.needed: frozenset[str] = frozenset()
        """Keys that have to be there, where no other spelling is taken."""
        self.private: dict[str, Any] = dict(model.__private_attributes__)
        self.keeps_extra: bool = model.model_config.get("extra") == "allow"
        self.has_post_init: bool = bool(model.__pydantic_post_init__)
        self.slots: int = 8 + len(model.model_fields)
        self.cost: int = 15 + len(model.model_fields) // 8
        self.judged: bool = _has_validators(model)
        """Whether pydantic has more to say than the annotations do."""

    def complete(self, compiler: "_Compiler") -> None:
        """Compile the fields; not at once, since a class may refer to itself."""
        by_name = self.model.model_config.get("populate_by_name") or self.model.model_config.get(
            "validate_by_name"
        )
        for name, field in self.model.model_fields.items():
            plan = compiler.compile(_annotation(field))
            alias = field.validation_alias or field.alias
            key = alias if isinstance(alias, str) else name
            if by_name:
                self.fields.setdefault(name, (name, plan))
            self.fields[key] = (name, plan)
            self.blank[name] = None
            if field.is_required():
                self.required[name] = key
            elif field.default_factory or not isinstance(field.default, (*_SIMPLE, float)):
                self.factories.append((name, field))
            else:
                self.blank[name] = field.default
        if all(name == key for name, key in self.required.items()):
            self.needed = frozenset(self.required)

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        if kind is not dict:
            return value if self.loose else walk.misfit(self, value, at)
        if self.judged and walk.may_judge(value):
            try:
                return self.model.model_validate(value)
            except ValidationError:
                walk.spend(_REFUSAL)
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
        _set(made, "__pydantic_extra__", None)
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

    def _fill(self, made: BaseModel, value: dict[str, Any], at: "At", walk: "Walk") -> None:
        find, values = self.fields.get, self.blank.copy()
        given: set[str] = set()
        extra: dict[str, Any] = {}
        for key, each in value.items():
            known = find(key)
            if known is None or (known[0] in given and known[0] == key):
                extra[key] = each
                continue
            name, plan = known
            given.add(name)
            values[name] = each if type(each) in plan.exact else plan.take(each, (at, key), walk)
        walk.given += len(given)
        if not given.issuperset(self.required):
            for name, key in self.required.items():
                if name not in given:
                    walk.note((at, key), "missing")
        for name, field in self.factories:
            if name not in given:
                values[name] = field.get_default(call_default_factory=True, validated_data=values)
        _set(made, "__dict__", values)
        _set(made, "__pydantic_fields_set__", given)
        if self.keeps_extra:
            given.update(extra)
            _set(made, "__pydantic_extra__", extra)

    def problem(self, value: Any) -> str:
        del value
        return "model_type"

    def likeness(self, value: Any, walk: "Walk") -> tuple[int, int]:
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
        self.lists: list[Plan] = [arm for arm in arms if isinstance(_bare(arm), ListOf)]
        self.objects: list[Plan] = [
            arm for arm in arms if isinstance(_bare(arm), (DictOf, ModelOf))
        ]
        self.rest = rest
        """For whatever is neither a list nor an object."""
        self.exact: frozenset[type] = rest.exact if rest else frozenset()
        self.first = first
        """The alternative that problems are named after."""
        self.kinds: frozenset[type] = frozenset(
            k for arm in (*arms, *filter(None, [rest])) for k in arm.kinds
        )
        self.anything: bool = any(isinstance(arm, ModelOf) and arm.loose for arm in arms)

    def take(self, value: Any, at: "At", walk: "Walk") -> Any:
        arms: list[Plan] = []
        kind = type(value)  # pyright: ignore[reportUnknownVariableType] - narrowed by what is asked
        if kind is dict:
            arms = self.objects
        elif kind is list:
            arms = self.lists
        if len(arms) > 1:
            return walk.choose(arms, value, at)
        if arms:
            return arms[0].take(value, at, walk)
        found = self.rest.accept(value, walk) if self.rest else _NO
        if found is not _NO:
            return found
        return value if self.anything else walk.misfit(self, value, at)

    def problem(self, value: Any) -> str:
        return self.first.problem(value)

    def likeness(self, value: Any, walk: "Walk") -> tuple[int, int]:
        if self.anything:
            return 0, 0
        return self.rest.likeness(value, walk) if self.rest else (1, 0)


class _Compiler:
    def __init__(self) -> None:
        self.models: dict[type[BaseModel], ModelOf] = {}
        self._todo: list[ModelOf] = []

    def run(self, model: type[BaseModel]) -> ModelOf:
        plan = self._model(model)
        while self._todo:
            self._todo.pop().complete(self)
        return plan

    def _model(self, model: type[BaseModel]) -> ModelOf:
        found = self.models.get(model)
        if found is None:
            model.model_rebuild()
            found = self.models[model] = ModelOf(model)
            self._todo.append(found)
        return found

    def compile(self, annotation: Any) -> Plan:  # noqa: C901, PLR0911 - one for each kind
        origin, arguments = get_origin(annotation), get_args(annotation)
        if annotation is Any or annotation is object:
            return Plan()
        if origin is Annotated:
            inside = self.compile(arguments[0])
            return Opaque(annotation, None if isinstance(inside, Leaf) else inside)
        if origin in (Union, UnionType):
            return self._union(annotation)
        if origin is list or annotation is list:
            return ListOf(self.compile(arguments[0]) if arguments else Plan())
        if annotation is dict:
            return DictOf(Plan())
        if origin is dict and arguments[0] is str:
            return DictOf(self.compile(arguments[1]))
        if origin is Literal:
            words = frozenset(each for each in arguments if type(each) is str)
            if len(words) == len(arguments):
                return Scalar(annotation, frozenset(), words)
        if annotation in _SIMPLE or annotation is None:
            return Scalar(annotation, frozenset({annotation or NoneType}), frozenset())
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and not issubclass(annotation, RootModel):
            return self._model(cast("Any", annotation))
        return Opaque(annotation)

    def _union(self, annotation: Any) -> Plan:
        arms = [(each, self.compile(each)) for each in _arms(annotation)]
        if any(type(plan) is Plan for _, plan in arms):
            anything = Plan()  # though pydantic tries the others first
            anything.calls = any(plan.calls for _, plan in arms)
            anything.alternatives = len(arms)
            return anything
        whole = [plan for _, plan in arms if not isinstance(_bare(plan), Leaf)]
        rest = _leaf([(each, plan) for each, plan in arms if plan not in whole])
        if not whole:
            return rest or Plan()
        first = next(plan for each, plan in arms if each not in (None, NoneType))
        return AnyOf(whole, rest, first)


def _leaf(arms: list[tuple[Any, Plan]]) -> Leaf | None:
    """Return one plan for the alternatives that have no parts."""
    if not arms:
        return None
    annotation: Any = Union[tuple(each for each, _ in arms)]  # noqa: UP007 - of values
    plans = [plan for _, plan in arms]
    scalars = [plan for plan in plans if isinstance(plan, Scalar)]
    scalar = Scalar(
        annotation,
        frozenset(kind for plan in scalars for kind in plan.exact),
        frozenset(word for plan in scalars for word in plan.words),
    )
    if len(scalars) == len(plans):
        return scalar
    opaque = Opaque(annotation, scalar)
    opaque.exact = scalar.exact
    return opaque


def _bare(plan: Plan) -> Plan:
    return plan.inside if isinstance(plan, Opaque) and plan.inside else plan


def _arms(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return [arm for each in get_args(annotation) for arm in _arms(each)]
    return [annotation]


def _calls(annotation: Any) -> bool:
    """Tell whether pydantic asks more than itself about a value."""
    if get_origin(annotation) is Annotated:
        kind, *rest = get_args(annotation)
        return _calls(kind) or not all(isinstance(each, (FieldInfo, BaseMetadata)) for each in rest)
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_calls, get_args(annotation)))
    return annotation not in _WHOLE and get_origin(annotation) not in (Literal, list, dict)


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


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return found[0]["type"]


@lru_cache(maxsize=1024)
def plan_of(model: type[BaseModel]) -> ModelOf:
    """Return the plan of an event class, compiled when first needed."""
    return _Compiler().run(model)
