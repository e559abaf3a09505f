"""What an event class says of its payload, compiled to plans that `salvage` walks a payload by.

A plan takes one value. It looks at each part of it once, whatever the class, and never asks
pydantic about more than a small part at a time: pydantic's list of errors has no bound.
"""

from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel

from .leaves import SIMPLE, Leaf, Opaque, Scalar, arms_of
from .parts import AnyOf, DictOf, ListOf, ModelOf, bare
from .walk import Plan

__all__ = ["plan_of"]


class _Compiler:
    def __init__(self) -> None:
        self.models: dict[type[BaseModel], ModelOf] = {}
        self._todo: list[ModelOf] = []

    def run(self, model: type[BaseModel]) -> ModelOf:
        plan = self._model(model)
        while self._todo:
            self._todo.pop().complete(self.compile)
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
        if annotation in SIMPLE or annotation is None:
            return Scalar(annotation, frozenset({annotation or NoneType}), frozenset())
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and not issubclass(annotation, RootModel):
            return self._model(cast("Any", annotation))
        return Opaque(annotation)

    def _union(self, annotation: Any) -> Plan:
        arms = [(each, self.compile(each)) for each in arms_of(annotation)]
        if any(type(plan) is Plan for _, plan in arms):
            anything = Plan()  # though pydantic tries the others first
            anything.calls = any(plan.calls for _, plan in arms)
            anything.alternatives = len(arms)
            return anything
        whole = [plan for _, plan in arms if not isinstance(bare(plan), Leaf)]
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


@lru_cache(maxsize=1024)
def plan_of(model: type[BaseModel]) -> ModelOf:
    """Return the plan of an event class, compiled when first needed."""
    return _Compiler().run(model)
