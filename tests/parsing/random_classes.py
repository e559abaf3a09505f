"""Event classes at random, and bodies for them that fit well, badly or not at all."""

import json
import types
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import Field, create_model

from coffrify_webhooks.event import Date, Event, EventModel, LooseModel, Timestamp, Uuid
from coffrify_webhooks.parsing.registry import Registry

__all__ = ["Case", "case"]

_LEAVES: list[Any] = [
    *(str, int, bool, float, None, Any, Timestamp, Date, Uuid),
    *(str | None, int | None, int | str, Timestamp | None, Timestamp | int),
    *(Literal["a", "b"], Literal[1, 2], Annotated[str, Field(min_length=1)]),
    *(Annotated[str, Field(pattern="^(a|b)*$")], Annotated[int, Field(ge=0)]),
    *(Annotated[list[int], Field(max_length=3)], Annotated[dict[str, int], Field(min_length=1)]),
]
_ODD: list[Any] = [None, 1, "", [], {}, 1.5, [{}], {"f0": 1}, "a", [[]], True, -0.0, 2**70]
_TEXTS = {
    Timestamp: "2026-01-01T00:00:00Z",
    Date: "2026-01-01",
    Uuid: "12345678-1234-5678-1234-567812345678",
}
_FITS = {str: "xyz", int: 1234, bool: True, float: 1.5, None: None, type(None): None}


class _Classes(Registry):
    def __init__(self, event_class: type[Event]) -> None:
        super().__init__("coffrify_webhooks.events")
        self._classes["own"] = event_class

    def __contains__(self, event_type: str) -> bool:
        return event_type == "own" or super().__contains__(event_type)


class Case(NamedTuple):
    """An event class, where it is registered, and a body of its type."""

    event_class: type[Event]
    registry: Registry
    body: bytes


class _Maker:
    def __init__(self, random: Random, *, unions: bool) -> None:
        self._random = random
        self._unions = unions
        self._models: list[Any] = []
        self._odd = random.choice([0, 0, 0.02, 0.1, 0.4])

    def annotation(self, depth: int) -> Any:
        random = self._random
        kind = random.random()
        if depth <= 0 or kind < 0.3:
            return random.choice(_LEAVES)
        if kind < 0.5:
            return list[self.annotation(depth - 1)]  # type: ignore[misc]
        if kind < 0.6:
            return dict[str, self.annotation(depth - 1)]  # type: ignore[misc]
        if kind < 0.8 and self._unions:
            arms = [self.annotation(depth - 1) for _ in range(random.randint(2, 4))]
            return Union[tuple(arms)]  # noqa: UP007 - of values
        return self._model(depth - 1)

    def _model(self, depth: int) -> Any:
        random, models = self._random, self._models
        if models and random.random() < 0.25:
            return random.choice(models)
        fields: dict[str, Any] = {}
        for number in range(random.choice([0, 1, 1, 2, 3, 5, 10, 30])):
            kind = self.annotation(depth)
            is_required = random.random() < 0.4
            fields[f"f{number}"] = (kind, ...) if is_required else (Union[kind, None], None)  # noqa: UP007 - of values
        name = f"M{len(models)}"
        held = random.random()
        if held < 0.2:
            fields["c"] = (f"{name} | None", None)
        elif held < 0.3:
            fields["c"] = (f"list[{name}] | None", None)
        elif held < 0.4 and models and self._unions:
            fields["c"] = (f"{name} | {random.choice(models).__name__} | None", None)
        base = random.choice([EventModel] * 5 + [LooseModel]) if self._unions else EventModel
        made: Any = create_model(name, __base__=base, **fields)
        models.append(made)
        made.model_rebuild(_types_namespace={each.__name__: each for each in models})
        return made

    def value(self, kind: Any, depth: int) -> Any:  # noqa: C901, PLR0911 - one for each kind
        random = self._random
        if random.random() < self._odd:
            return random.choice(_ODD)
        origin, arguments = get_origin(kind), get_args(kind)
        for known, text in _TEXTS.items():
            if kind == known:
                return text
        if kind is None or (isinstance(kind, type) and kind in _FITS):
            return _FITS[kind]
        if depth <= 0:
            return None
        if origin is Annotated:
            return self.value(arguments[0], depth)
        if origin in (Union, types.UnionType):
            return self.value(random.choice(arguments), depth)
        if origin is list:
            return [self.value(arguments[0], depth - 1) for _ in range(random.choice([0, 1, 2, 4]))]
        if origin is dict:
            size = random.choice([0, 1, 3])
            return {f"{n}": self.value(arguments[1], depth - 1) for n in range(size)}
        if origin is Literal:
            return arguments[0]
        if isinstance(kind, type) and issubclass(kind, EventModel):
            fields = kind.model_fields.items()
            return {
                name: self.value(field.annotation, depth - 1)
                for name, field in fields
                if random.random() < (0.9 if field.is_required() else 0.4)
            }
        return random.choice(_ODD)


def case(seed: int, size: int, *, unions: bool = True) -> Case:
    """Return what a seed stands for: the body is of about so many bytes, and holds much the same.

    Bodies cost most where one small thing is repeated. unions: whether a value may be of one of
    several classes, where pydantic and we need not choose alike.
    """
    random = Random(seed)
    maker = _Maker(random, unions=unions)
    item = maker.annotation(random.randint(1, 4))
    several: Any = random.choice([list[item], dict[str, item], item])  # type: ignore[valid-type]
    data: Any = create_model("Data", __base__=EventModel, d=(Union[several, None], None))  # noqa: UP007 - of a value, which may be None
    fields: dict[str, Any] = {"type": (Literal["own"], ...), "data": (data, ...)}
    own: Any = create_model("Own", __base__=Event, **fields)
    depth = random.choice([2, 4, 8])
    items = [
        json.dumps(maker.value(item, depth), separators=(",", ":"))
        for _ in range(random.choice([1, 1, 5]))
    ]
    count = size // (sum(map(len, items)) // len(items) + 1) + 1
    texts = [items[number % len(items)] for number in range(count)]
    if get_origin(several) is dict:
        members = ",".join(f'"{number:x}":{text}' for number, text in enumerate(texts))
        held = f"{{{members}}}"
    else:
        held = f"[{','.join(texts)}]"
    return Case(own, _Classes(own), b'{"type":"own","data":{"d":%s}}' % held.encode())
