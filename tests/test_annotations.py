"""What a handler is annotated for, and what it is registered for; and what help() says."""

from __future__ import annotations

import pydoc
import sys
from collections.abc import Iterable
from itertools import count
from types import ModuleType
from typing import Annotated, Any, NewType, Optional, Union

import pytest
from typing_extensions import TypeAliasType

import coffrify_webhooks
from coffrify_webhooks import ConfigurationError, Delivery, Event, Router, UnknownEvent, events
from coffrify_webhooks.events import TransferCreated, TransferDeleted
from coffrify_webhooks.testing.targets.target import _count_parameters
from coffrify_webhooks_sandbox.background import _is_asgi

NUMBERS = count()
Alias = TransferCreated | TransferDeleted
Named = NewType("Named", TransferDeleted)
Data = TransferDeleted.model_fields["data"].annotation


class Narrowed(TransferCreated, frozen=True): ...


class Base(Event, frozen=True): ...


# Texts, as `from __future__ import annotations` leaves them: of names that are there, that only
# type checkers see, that no module has, and of all forms.
TAKE_CREATED = [
    "TransferCreated",
    "'TransferCreated'",
    "events.TransferCreated",
    "coffrify_webhooks.events.TransferCreated",
    "TransferCreated | TransferDeleted",
    "Union[TransferCreated, None]",
    "Optional[TransferCreated]",
    "Annotated[TransferCreated, 1]",
    "Alias",
    "Narrowed",
    "Base",
    "Event",
    "Event | None",
    "coffrify_webhooks.Event",
    "Any",
    "object",
    "dict | Event",
    "Iterable[TransferDeleted]",
    "type[Event]",
    "Nothing",
    "nowhere.Nothing",
    "TransferDeleted | Nothing",
    "1 / 0",
    "no python",
    "",
]
TAKE_OTHERS = [
    "TransferDeleted",
    "'TransferDeleted'",
    "Ping",
    "events.TransferDeleted",
    "e.TransferDeleted",
    "TransferDeleted | Ping",
    "Union[TransferDeleted, 'Ping']",
    "Optional[Ping]",
    "Annotated[TransferDeleted, Nothing]",
    "UnknownEvent",
    "dict",
    "dict[str, Any]",
    "Optional[str]",
    "bytes | None",
    "list[TransferCreated]",
    "Annotated[dict, 1]",
    "Delivery",
    "Named",
    "Optional[Named]",
    "Optional['TransferDeleted']",
    "Union['TransferDeleted', None]",
    "Data",
]
FORMS = {
    "Delivery": Delivery,
    "Iterable": Iterable,
    "Union": Union,
    "Optional": Optional,
    "Annotated": Annotated,
    "events": events,
}


def handler(annotation: Any) -> Any:
    def handle(event: Any) -> None: ...

    handle.__annotations__["event"] = annotation
    handle.__qualname__ = f"handler {next(NUMBERS)}"
    return handle


@pytest.fixture
def router() -> Any:
    return Router()


@pytest.mark.parametrize("event", ["transfer.created", TransferCreated])
@pytest.mark.parametrize("annotation", TAKE_CREATED)
def test_what_an_annotation_takes_can_be_registered(
    router: Any, event: Any, annotation: str
) -> None:
    """The class, a base, a union, and whatever cannot be resolved: nothing is refused."""
    router.on(event)(handler(annotation))
    try:
        evaluated = eval(annotation, {**globals(), **FORMS})
    except (NameError, SyntaxError, ZeroDivisionError):
        return
    router.on(event)(handler(evaluated))


@pytest.mark.parametrize("event", ["transfer.created", TransferCreated, "transfer.*", "*"])
@pytest.mark.parametrize("annotation", TAKE_OTHERS)
def test_an_annotation_for_other_events_is_refused(
    router: Any, event: Any, annotation: str
) -> None:
    """What a type checker would refuse is refused at registration too, by name."""
    wanted = event if isinstance(event, str) else "transfer.created"
    with pytest.raises(ConfigurationError, match="its first parameter is annotated for") as raised:
        router.on(event)(handler(annotation))
    assert repr(wanted) in str(raised.value)
    assert len(router) == 0
    if "Ping" not in annotation and "Nothing" not in annotation and not annotation.startswith("e."):
        with pytest.raises(ConfigurationError, match="annotated for"):
            router.on(event)(handler(eval(annotation, {**globals(), **FORMS})))


def test_each_event_of_a_registration_counts(router: Any) -> None:
    """Two events need both; a family needs all of it; an unknown type is an UnknownEvent."""
    router.on("transfer.created", "transfer.deleted")(handler(Alias))
    with pytest.raises(ConfigurationError, match="ping"):
        router.on("transfer.created", "ping")(handler(Alias))
    with pytest.raises(ConfigurationError, match=r"transfer\.\*"):
        router.on("transfer.*")(handler(Alias))
    with pytest.raises(ConfigurationError, match=r"new\.type"):
        router.on("new.type", allow_unknown=True)(handler("TransferCreated"))
    router.on("new.type", allow_unknown=True)(handler("UnknownEvent"))
    router.on(UnknownEvent)(handler("Event"))


def test_a_type_statement_is_read_as_what_it_stands_for(router: Any) -> None:
    """`type Deleted = TransferDeleted`, and a union of such."""
    deleted = TypeAliasType("deleted", TransferDeleted)  # what the statement makes
    for alias in (deleted, TypeAliasType("either", deleted | None)):
        router.on("transfer.deleted")(handler(alias))
        with pytest.raises(ConfigurationError, match="annotated for"):
            router.on("transfer.created")(handler(alias))


@pytest.mark.parametrize("kind", ["function", "async function", "object", "async object"])
def test_a_handler_with_a_yield_is_refused(router: Any, kind: str) -> None:
    """Calling it would run nothing of it; an object with such a `__call__` is one too."""

    def function(event: Event) -> Any:
        yield

    async def function_async(event: Event) -> Any:
        yield

    class Object:
        def __call__(self, event: Event) -> Any:
            yield

    class ObjectAsync:
        async def __call__(self, event: Event) -> Any:
            yield

    kinds = {"function": function, "async function": function_async, "object": Object()}
    with pytest.raises(ConfigurationError, match="has a yield"):
        router.on("ping")(kinds.get(kind, ObjectAsync()))


def test_methods_and_callables_are_read_too(router: Any) -> None:
    """The event is the first parameter after self, wherever the function stands."""

    class Handlers:
        def method(self, event: TransferDeleted) -> None: ...

        def __call__(self, event: TransferDeleted) -> None: ...

    for number, fn in enumerate((Handlers().method, Handlers())):
        router.on("transfer.deleted", name=f"fine {number}")(fn)
        with pytest.raises(ConfigurationError, match="annotated for"):
            router.on("transfer.created", name=f"wrong {number}")(fn)


def test_a_parameter_that_nothing_fills_is_named(router: Any) -> None:
    """`def a(event, db)`: the message says that it is `db` which nobody passes."""

    def one(event: Event, db: Any) -> None: ...

    def two(event: Event, db: Any, *, cache: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="it also requires db: a handler takes the event"):
        router.on("ping")(one)
    with pytest.raises(ConfigurationError, match="it also requires db, cache"):
        router.on("ping")(two)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("on", "name: the stable name under which"),
        ("Observer", "so it must be quick"),
        ("Message", "What an engine carries"),
        ("Outcome", "The result of a delivery"),
    ],
)
def test_help_shows_the_documentation(name: str, says: str) -> None:
    """What is public is documented where Python's own help looks."""
    text = pydoc.render_doc(getattr(coffrify_webhooks, name), renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    assert says in " ".join(text.split())


HANDLERS = """
from typing import TYPE_CHECKING

from coffrify_webhooks import Delivery

if TYPE_CHECKING:
    from coffrify_webhooks.events import TransferCreated, TransferDeleted
    from nowhere import Nothing


def created(event: TransferCreated) -> Nothing: ...
def with_delivery(event: TransferCreated | Nothing, delivery: Delivery) -> None: ...
async def both(event: TransferCreated | TransferDeleted, delivery: Delivery | None) -> None: ...
def with_connection(event: TransferCreated, connection: Nothing) -> None: ...
def key(event: TransferCreated) -> Nothing: ...
def deleted(event: TransferDeleted) -> None: ...
def with_database(event: TransferCreated, db: Nothing) -> None: ...
def wsgi(environ: Nothing, start_response: Nothing) -> Nothing: ...
async def asgi(scope: Nothing, receive: Nothing, send: Nothing) -> None: ...


class Called:
    def __call__(self, event: TransferCreated, delivery: Delivery) -> Nothing: ...
"""
EVALUATED_AT_ONCE = sys.version_info < (3, 14)


@pytest.fixture
def handlers() -> Any:
    """Functions whose annotations name what only type checkers import."""
    first = "from __future__ import annotations\n" if EVALUATED_AT_ONCE else ""
    module = ModuleType("handlers_of_a_test")
    exec(compile(first + HANDLERS, "handlers.py", "exec", dont_inherit=True), vars(module))
    return module


def test_names_that_only_type_checkers_import_are_read(handlers: Any) -> None:
    """As `from __future__ import annotations` leaves them, and as Python 3.14 does without it."""
    router = Router()
    register = router.on("transfer.created", key=handlers.key, order="serial")
    register(handlers.created)
    for each in (handlers.with_delivery, handlers.both, handlers.Called()):
        router.on("transfer.created", name=f"handler{next(NUMBERS)}")(each)
    router.on("transfer.created", atomic=True)(handlers.with_connection)
    taken = [handler.takes_delivery for handler in router.handlers]
    assert taken == [False, True, True, True, False]
    with pytest.raises(ConfigurationError, match="annotated for transfer"):
        router.on("transfer.created")(handlers.deleted)
    with pytest.raises(ConfigurationError, match="it also requires db"):
        router.on("transfer.created")(handlers.with_database)


def test_applications_annotated_for_type_checkers_alone_are_told_apart(handlers: Any) -> None:
    """An application's annotations need not be there either."""
    assert _count_parameters(handlers.wsgi) == 2
    assert _count_parameters(handlers.asgi) == 3
    assert _is_asgi(handlers.asgi)
    assert not _is_asgi(handlers.wsgi)
