"""Which functions handle which events."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

import pytest

import coffrify_webhooks
from coffrify_webhooks import ConfigurationError, Delivery, Event, Router, UnknownEvent, on, parse
from coffrify_webhooks.events import Ping, TransferCreated, TransferDeleted, WorkspaceCreated
from coffrify_webhooks.events._shared import Transfer
from coffrify_webhooks.handlers.handler import Handler
from coffrify_webhooks.router import default_router


def an(event_type: str) -> Event:
    return parse(b'{"id":"evt_1","type":"%s","data":{"id":"a"}}' % event_type.encode())


def handle(event: Event) -> None: ...


@pytest.fixture
def router() -> Any:
    """A router of its own; typed as Any, since many calls below are mistakes."""
    return Router()


def named(router: Router, event_type: str) -> list[str]:
    return [handler.name for handler in router.match(an(event_type))]


ALL = ("ping", "transfer.created", "transfer.deleted", "workspace.created", "transfer.new", "new")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("transfer.created",), ["transfer.created"]),
        ((TransferCreated,), ["transfer.created"]),
        ((Ping, "workspace.created"), ["ping", "workspace.created"]),
        ((TransferCreated, TransferDeleted), ["transfer.created", "transfer.deleted"]),
        (("transfer.*",), ["transfer.created", "transfer.deleted", "transfer.new"]),
        (
            ("transfer.*", "transfer.created"),
            ["transfer.created", "transfer.deleted", "transfer.new"],
        ),
        (("*",), list(ALL)),
        ((Event,), list(ALL)),
        ((UnknownEvent,), ["transfer.new", "new"]),
        ((UnknownEvent, "ping"), ["ping", "transfer.new", "new"]),
    ],
    ids=repr,
)
def test_what_a_handler_is_called_for(router: Any, events: Any, expected: list[str]) -> None:
    """Names, classes, families, everything, and what is unknown select what they say."""
    router.on(*events)(handle)
    assert [event_type for event_type in ALL if router.match(an(event_type))] == expected


def test_a_family_is_cut_at_a_dot(router: Any) -> None:
    """transfer.* selects neither `transfer` nor `transfers.created`, and a deeper family works."""
    router.on("transfer.*", name="one")(handle)
    router.on("transfer.e2e.*", name="two", allow_unknown=True)(handle)
    assert named(router, "transfer") == []
    assert named(router, "transfers.created") == []
    assert named(router, "Transfer.created") == []
    assert named(router, "transfer.e2e.created") == ["one", "two"]
    assert named(router, "transfer.e2e_created") == ["one"]


def test_handlers_run_in_the_order_of_registration(router: Any) -> None:
    """However they were selected, the first registered comes first."""
    for name, event in (("c", "*"), ("a", TransferCreated), ("b", "transfer.*"), ("d", Event)):
        router.on(event, name=name)(lambda event: None)
    assert named(router, "transfer.created") == ["c", "a", "b", "d"]
    assert [handler.name for handler in router.handlers] == ["c", "a", "b", "d"]
    assert len(router) == 4
    assert repr(router) == "<Router of 4 handlers>"


def test_a_handler_registered_later_is_seen(router: Any) -> None:
    """What was matched once is matched anew after a registration."""
    assert named(router, "ping") == []
    router.on("ping", name="late")(handle)
    assert named(router, "ping") == ["late"]


def test_stacked_decorators_are_one_handler(router: Any) -> None:
    """A function under two decorators is one handler of both events, called once for each."""

    @router.on("ping")
    @router.on("transfer.*", "ping")
    @router.on("*")
    def both(event: Event) -> None: ...

    assert len(router) == 1
    for event_type in ALL:
        assert len(router.match(an(event_type))) == 1


def test_the_function_comes_back_unchanged(router: Any) -> None:
    """Decorating gives back the very same object, callable as before."""

    def original(event: Event) -> str:
        return "as before"

    async def other(event: Event) -> None: ...

    before = dict(vars(original))
    assert router.on("ping")(original) is original
    assert router.on("*")(other) is other
    assert vars(original) == before
    assert original(an("ping")) == "as before"
    assert router.handlers[0].fn is original


def test_names_are_stable(router: Any) -> None:
    """A handler is known by module and qualified name, unless it was given one."""
    router.on("ping")(handle)
    router.on("ping", name="my name")(lambda event: None)
    assert named(router, "ping") == [f"{__name__}:handle", "my name"]
    assert repr(router.handlers[1]) == "Handler('my name', ping)"


@pytest.mark.parametrize(
    ("event", "near"),
    [
        ("transfer.create", "transfer.created"),
        ("transfer_created", "transfer.created"),
        ("Transfer.Created", "transfer.created"),
        ("transfers.*", "transfer.*"),
        ("pnig", "ping"),
        (" ping", "ping"),
        ("workspace.paymentfailed", "workspace.payment_failed"),
    ],
)
def test_a_typo_is_refused_with_suggestions(router: Any, event: str, near: str) -> None:
    """A name that is neither known nor a pattern is refused, naming the nearest."""
    with pytest.raises(ConfigurationError, match="no event is called") as raised:
        router.on(event)
    assert repr(near) in str(raised.value)
    assert "allow_unknown=True" in str(raised.value)
    assert len(router) == 0


def test_a_name_like_no_other_is_refused_without_suggestions(router: Any) -> None:
    """Where nothing is near, nothing is suggested."""
    with pytest.raises(ConfigurationError) as raised:
        router.on("zzzzzzzzz")
    assert "did you mean" not in str(raised.value)


@pytest.mark.parametrize("event", ["new.type", "brand.*", "transfer.new"])
def test_allow_unknown_takes_a_name_the_catalog_lacks(router: Any, event: str) -> None:
    """allow_unknown=True takes a name, or a family, that the catalog does not have yet."""
    router.on(event, allow_unknown=True, name="early")(handle)
    assert named(router, event.replace("*", "thing")) == ["early"]
    assert named(router, "ping") == []


@pytest.mark.parametrize(
    "event", ["", "**", "*.created", "transfer.*.*", "trans*", ".*", "*.*", "transfer.*x", "?*"]
)
@pytest.mark.parametrize("allow_unknown", [False, True])
def test_other_patterns_are_refused(router: Any, event: str, *, allow_unknown: bool) -> None:
    """There are families and `*`; any other star is a mistake, also with allow_unknown."""
    with pytest.raises(ConfigurationError, match="is not a pattern"):
        router.on(event, allow_unknown=allow_unknown)


@pytest.mark.parametrize(
    "event",
    [
        5,
        None,
        b"ping",
        ["ping"],
        handle,
        int,
        str,
        Transfer,
        Delivery,
        type,
        Ping.model_construct(),
    ],
    ids=range(11),
)
def test_what_is_no_event_is_refused(router: Any, event: Any) -> None:
    """Neither a name nor an event class, also the decorator without its brackets."""
    with pytest.raises(ConfigurationError):
        router.on(event)


def test_on_needs_an_event(router: Any) -> None:
    """on() without an event is refused, saying how it is used."""
    with pytest.raises(ConfigurationError, match=r'on\("transfer\.created"\)'):
        router.on()


def test_two_handlers_of_one_name_are_refused(router: Any) -> None:
    """A name stands for one function, whether given or derived."""
    router.on("ping", name="same")(handle)
    with pytest.raises(ConfigurationError, match="two handlers are called 'same'"):
        router.on("transfer.created", name="same")(lambda event: None)

    def make() -> Any:
        def inner(event: Event) -> None: ...

        return inner

    router.on("ping")(make())
    with pytest.raises(ConfigurationError, match="two handlers are called"):
        router.on("ping")(make())
    assert len(router) == 2
    assert Router().on("ping", name="same")(handle) is handle


def test_a_module_imported_twice_is_refused(router: Any) -> None:
    """A script that is also imported by its name would handle every event twice: refused."""
    source = compile("def handler(event): ...", "app.py", "exec")
    for module, refused in (("__main__", False), ("app", True)):
        namespace: dict[str, Any] = {"__name__": module}
        exec(source, namespace)
        if refused:
            with pytest.raises(ConfigurationError, match="imported under two names"):
                router.on("ping")(namespace["handler"])
        else:
            router.on("ping")(namespace["handler"])


def test_registering_takes_as_many_steps_for_the_last_handler_as_for_the_first() -> None:
    """Ten times the handlers take ten times the calls, of one module and of many."""
    router: Any = Router()
    calls = 0

    def count(_: object, kind: str, __: object) -> None:
        nonlocal calls
        calls += kind == "call"

    def calls_to_register(handlers: int) -> int:
        nonlocal calls
        calls = 0
        sys.setprofile(count)
        try:
            for number in range(handlers):
                router.on("ping", name=f"{len(router)} {number}")(lambda event: None)
        finally:
            sys.setprofile(None)
        return calls

    calls_to_register(1)
    few = calls_to_register(20)
    assert abs(calls_to_register(200) - 10 * few) < few  # what else the process does counts too


def test_matching_while_another_thread_registers_misses_no_handler(router: Any) -> None:
    """A match reads the handlers in one step, and what it has read is not kept for later."""
    stop = threading.Event()

    def match() -> None:
        while not stop.is_set():
            router.match(an("ping"))

    thread = threading.Thread(target=match)
    thread.start()
    try:
        for number in range(300):
            router.on("ping", name=str(number))(lambda event: None)
            assert len(router.match(an("ping"))) == number + 1
    finally:
        stop.set()
        thread.join()


# --- what a handler takes ---------------------------------------------------------------------


class Service:
    """A handler may be a method, or an object that can be called."""

    def method(self, event: Event) -> None: ...

    def with_delivery(self, event: Event, delivery: Delivery) -> None: ...

    async def coroutine(self, event: Event) -> None: ...

    def __call__(self, event: Event) -> None: ...

    @staticmethod
    def static(event: Event, delivery: Delivery) -> None: ...


class AsyncCallable:
    async def __call__(self, event: Event, delivery: Delivery) -> None: ...


def plain(event, delivery): ...


# Annotations that are not text, as in a module without the future import.
def evaluated(event: Event, delivery: Delivery) -> None: ...


evaluated.__annotations__ = {"event": Event, "delivery": Delivery, "return": None}


def quoted(event: Event, delivery: coffrify_webhooks.Delivery) -> None: ...


def twice_quoted(event: Event, delivery: "Delivery") -> None: ...  # noqa: UP037


def optional(event: Event, delivery: Delivery, more: int = 0) -> None: ...


def defaulted(event: Event, other: int = 0) -> None: ...


def starred(*events: Event) -> None: ...


def keywords(event: Event, **more: Any) -> None: ...


def positional(event: Event, delivery: Delivery, /) -> None: ...


TAKES = [
    (handle, False),
    (lambda event: None, False),
    (evaluated, True),
    (quoted, True),
    (twice_quoted, True),
    (optional, True),
    (positional, True),
    (defaulted, False),
    (starred, False),
    (keywords, False),
    (Service().method, False),
    (Service().with_delivery, True),
    (Service(), False),
    (Service.static, True),
    (AsyncCallable(), True),
    (functools.partial(evaluated), True),
    (print, False),
]


@pytest.mark.parametrize(("fn", "takes"), TAKES, ids=range(len(TAKES)))
def test_a_second_parameter_annotated_delivery(router: Any, fn: Any, *, takes: bool) -> None:
    """Only a second parameter annotated Delivery is given the delivery, however it is written."""
    router.on("ping", name="it")(fn)
    (handler,) = router.handlers
    assert handler.takes_delivery is takes
    assert handler.takes_delivery is takes


def nothing() -> None: ...


def keyword_only(*, event: Event) -> None: ...


def event_and_keyword(event: Event, *, other: int) -> None: ...


def two(event: Event, other: Event) -> None: ...


def three(event: Event, delivery: Delivery, other: int) -> None: ...


def second_too_late(event: Event, other: int, delivery: Delivery) -> None: ...


BAD = [nothing, keyword_only, event_and_keyword, two, three, second_too_late, plain, lambda: None]


@pytest.mark.parametrize("fn", BAD, ids=range(len(BAD)))
def test_a_bad_signature_is_refused(router: Any, fn: Any) -> None:
    """A function that cannot be called with an event is refused at registration, not later."""
    with pytest.raises(ConfigurationError, match="cannot be called with an event"):
        router.on("ping", name="bad")(fn)
    assert len(router) == 0


@pytest.mark.parametrize("fn", [None, 5, "handle", object()], ids=range(4))
def test_what_is_no_function_is_refused(router: Any, fn: Any) -> None:
    """on(...) decorates something that can be called."""
    with pytest.raises(ConfigurationError, match="decorates a function"):
        router.on("ping", name="bad")(fn)


def generator(event: Event) -> Any:
    yield event


async def async_generator(event: Event) -> Any:
    yield event


@pytest.mark.parametrize("fn", [generator, async_generator])
def test_a_generator_is_refused(router: Any, fn: Any) -> None:
    """Calling a generator runs nothing, and the event would count as handled: refused."""
    with pytest.raises(ConfigurationError, match="yield"):
        router.on("ping")(fn)


async def coroutine(event: Event) -> None: ...


@pytest.mark.parametrize(
    ("fn", "is_async"),
    [
        (handle, False),
        (coroutine, True),
        (Service().method, False),
        (Service().coroutine, True),
        (Service(), False),
        (AsyncCallable(), True),
        (functools.partial(coroutine), True),
        (functools.partial(handle), False),
        (lambda event: None, False),
    ],
    ids=range(9),
)
def test_async_handlers_are_told(fn: Any, *, is_async: bool) -> None:
    """Coroutine functions, methods, partials and callables are known as such."""
    assert Handler(fn, "it", ("*",)).is_async is is_async


def test_on_belongs_to_the_default_router() -> None:
    """The package's `on` registers in the default router alone."""
    before = dict(default_router._handlers)
    try:
        assert on("workspace.created", name="test only")(handle) is handle
        assert "test only" in named(default_router, "workspace.created")
        assert isinstance(an("workspace.created"), WorkspaceCreated)
    finally:
        default_router._handlers.clear()
        default_router._handlers.update(before)
        default_router._matches.clear()


def test_strangers_types_do_not_pile_up(router: Any) -> None:
    """What is remembered of event types is bounded, and matching goes on beyond."""
    router.on("*", name="all")(handle)
    event = an("new.type")
    for number in range(10_050):
        other = event.model_copy(update={"type": f"new.{number}"})
        assert len(router.match(other)) == 1
    assert len(router._matches) <= 10_000


def test_an_optional_delivery_is_given(router: Router) -> None:
    """A second parameter annotated `Delivery | None` gets the delivery too."""

    def optional(event: Event, delivery: Delivery | None = None) -> None: ...

    router.on("*")(optional)
    assert router.handlers[0].takes_delivery


def test_a_registration_meanwhile_is_not_lost(router: Router) -> None:
    """A handler registered while another thread matches is found by the next event."""
    event = parse(b'{"type":"ping"}')
    late: list[bool] = []

    class Slow(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            if not late:
                late.append(True)
                router.on("*", name="late")(lambda event: None)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    router.on("ping", name="early")(lambda event: None)
    router.handlers[0].patterns = (Slow("ping"),)
    assert [handler.name for handler in router.match(event)] == ["early"]
    assert [handler.name for handler in router.match(event)] == ["early", "late"]


def test_a_method_may_be_registered_twice(router: Router) -> None:
    """One bound method is one function, though Python makes it anew each time."""

    class Service:
        def handle(self, event: Event) -> None: ...

    service = Service()
    router.on("ping")(service.handle)
    router.on("transfer.created")(service.handle)
    assert len(router) == 1


def test_a_factory_that_runs_twice_is_told_so(router: Router) -> None:
    """Two functions of one inner name: the remedy is not another name."""

    def make() -> None:
        def inner(event: Event) -> None: ...

        router.on("ping")(inner)

    make()
    with pytest.raises(ConfigurationError, match="top of its module"):
        make()
