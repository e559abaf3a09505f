"""Delivers an event to a receiver, an application, a client or a URL, as the sender would."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from coffrify_webhooks.concurrency.async_library import running_trio
from coffrify_webhooks.errors import ConfigurationError, VerificationError
from coffrify_webhooks.event import Event
from coffrify_webhooks.observe import Facts

from .case_names import Case, checked_case
from .event_maker import event_of
from .isolation import clock_here, isolation_here
from .layers import open_layer
from .result import Answer, Result, result_of
from .signed_request import SignedRequest, default_secret, request_for
from .targets.client import close_connections_of_django, refuse_transaction_of_django
from .targets.mistaken import is_event
from .targets.target import Target, target_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    from coffrify_webhooks.doctor import Diagnosis
    from coffrify_webhooks.observe import Notice
    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.signature.secret import SecretLike

    from .protocols import Deliver, DeliverAsync

__all__ = ["deliver", "deliver_async"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

T = TypeVar("T")

_LARGEST = 1_048_576


def _deliver(
    target: object,
    event: str | type[Event] | Event,
    *,
    data: Mapping[str, Any] | None = None,
    id: str | None = None,
    case: Case = "valid",
    path: str | None = None,
    secret: SecretLike | None = None,
) -> Any:
    """Deliver an event along the whole path of a real delivery, and return the `Result`.

    target:
        A Receiver; an application of Flask, Django, Starlette, FastAPI, or any other of WSGI or
        ASGI; Flask's, Django's or Starlette's test client, Django's request factory or its
        handler; an httpx client; a URL.
    event, data, id:
        A name, a class or an event, and what is laid over it; see `make_event`.
    case:
        "valid"; "duplicate" sends it twice and returns the result of the second; "concurrent"
        sends two at the same moment and returns both, first the one that was handled; "stale",
        "early", "forged", "unsigned", "tampered" must be refused; "unknown_type",
        "unknown_field", "missing_field", "wrong_type", "unknown_value" are signed and differ from
        the schema; "not_json" and "too_large" cannot be read.
    path:
        Where the endpoint is; found in the application, if it has only one.
    secret:
        The secret to sign with; by default that of the isolation, the receiver's own first one, or
        that of the variable COFFRIFY_WEBHOOK_SECRET.

    Raises ConfigurationError for a mistake in these, and in a running event loop, where
    `deliver_async` takes the same arguments.
    """
    _refuse_loop()
    sending = _Sending(target, event, data, id, case, path, secret)
    with sending.recording():
        if case == "concurrent":
            return sending.both(_post_twice(sending.target, sending.request))
        if case == "duplicate":
            sending.result(_post(sending.target, sending.request))
        return sending.result(_post(sending.target, sending.request))


async def _deliver_async(
    target: object,
    event: str | type[Event] | Event,
    *,
    data: Mapping[str, Any] | None = None,
    id: str | None = None,
    case: Case = "valid",
    path: str | None = None,
    secret: SecretLike | None = None,
) -> Any:
    """Deliver an event from async code, under asyncio or trio; see `deliver`.

    An async target is awaited on this event loop; a sync one runs in a thread.
    """
    sending = _Sending(target, event, data, id, case, path, secret)
    post = partial(_post_async, sending.target, sending.request)
    with sending.recording():
        if case == "concurrent":
            return sending.both(await _gather_two(post))
        if case == "duplicate":
            sending.result(await post())
        return sending.result(await post())


if TYPE_CHECKING:
    deliver: Deliver
    deliver_async: DeliverAsync
else:
    deliver, deliver_async = _deliver, _deliver_async
    for _function, _name in ((deliver, "deliver"), (deliver_async, "deliver_async")):
        _function.__name__ = _function.__qualname__ = _name


class _Sending:
    """One call of deliver: what is sent, to where, and what is observed meanwhile."""

    def __init__(
        self,
        target: object,
        event: str | type[Event] | Event,
        data: Mapping[str, Any] | None,
        event_id: str | None,
        case: Case,
        path: str | None,
        secret: SecretLike | None,
    ) -> None:
        checked_case(case)
        _refuse_swapped(target, event)
        self.target: Target = target_of(target, path)
        receiver = self.target.receiver
        routers = () if receiver is None else (receiver.router,)
        self._event = event_of(event, id=event_id, data=data, routers=routers)
        self._notices: list[Notice] = []
        self._isolation = isolation_here()
        now = (clock_here() if receiver is None else receiver.clock)()
        if secret is None and case != "unsigned":
            secret = default_secret() if receiver is None else _secret_of(receiver)
        most = _LARGEST if receiver is None else receiver.max_body
        self.request: SignedRequest = request_for(self._event, case, secret, now, most)
        where = type(target).__name__ if self.target.path == "" else self.target.path
        self._sent = f"{self._event.type} ({case}) to {where if where != 'str' else target}"

    @contextmanager
    def recording(self) -> Generator[None]:
        """Observe every receiver meanwhile."""
        with open_layer(self):
            yield

    def see(self, _receiver: Receiver, setting: str, value: Any, /) -> Any:
        """See `Layer.see`."""
        return (*value, Facts(self._notices.append)) if setting == "_observers" else value

    def result(self, answer: Answer) -> Result[Any]:
        """Return the result of what was sent last."""
        notices, self._notices[:] = [*self._notices], []
        return self._keep(
            result_of(self._event, answer, notices, self._sent, self._diagnose(answer))
        )

    def _diagnose(self, answer: Answer) -> Callable[[], Diagnosis] | None:
        """Return what says why the receiver refused the delivery; None if it did not."""
        receiver = self.target.receiver
        if receiver is None or answer.status != VerificationError.status:
            return None
        secrets = receiver.verifier.keyring().secrets
        body, headers, now = self.request.body, self.request.headers, receiver.clock()

        def diagnose() -> Diagnosis:
            from coffrify_webhooks.doctor import diagnose

            return diagnose(body, headers, secrets, now=now)

        return diagnose

    def both(self, answers: tuple[Answer, Answer]) -> tuple[Result[Any], Result[Any]]:
        """Return both results, that of the delivery which was handled first."""
        results = [result_of(self._event, each, self._notices, self._sent) for each in answers]
        one, two = sorted(results, key=lambda each: each.outcome != "handled")
        return self._keep(one), self._keep(two)

    def _keep(self, result: Result[Any]) -> Result[Any]:
        if self._isolation is not None:
            self._isolation.results.append(result)
        return result


def _refuse_swapped(target: object, event: object) -> None:
    is_type = isinstance(target, str) and not isinstance(event, str) and "://" not in target
    if is_event(target) or (is_type and not isinstance(event, (type, Event, dict))):
        raise ConfigurationError(
            "the target comes first, and then the event: "
            'deliver(app, "transfer.created"), or of the kit coffrify_kit.deliver(app, ...)'
        )


def _secret_of(receiver: Receiver) -> SecretLike:
    """Return the first secret of a receiver that has not expired."""
    secrets, now = receiver.verifier.keyring().secrets, receiver.clock()
    live = [each for each in secrets if each.not_after is None or now < each.not_after]
    return (live or secrets)[0]


# --- sync -------------------------------------------------------------------------------------


def _refuse_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if running_trio() is None:
            return
    raise ConfigurationError(
        "deliver() would block the running event loop; use `await deliver_async(...)`, or of the "
        "kit `await coffrify_kit.deliver_async(...)`"
    )


def _post(target: Target, request: SignedRequest) -> Answer:
    if target.post is not None:
        return target.post(request, target.path)
    return _run(lambda: _post_async(target, request))


def _run(function: Callable[[], Awaitable[T]]) -> T:
    async def call() -> T:
        return await function()

    # With a factory of its own a Runner leaves the thread's current loop alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(call())


def _post_twice(target: Target, request: SignedRequest) -> tuple[Answer, Answer]:
    """Send a request twice at the same moment."""
    if target.post is None:
        return _run(lambda: _gather_two(partial(_post_async, target, request)))
    if target.is_django:
        refuse_transaction_of_django()
    both = threading.Barrier(2)
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def send(post: Callable[[SignedRequest, str], Answer]) -> None:
        try:
            both.wait()
            answers.append(post(request, target.path))
        except BaseException as error:  # raised where it is waited for
            errors.append(error)
        finally:
            if target.is_django:
                close_connections_of_django()

    threads = [
        threading.Thread(target=copy_context().run, args=(send, post), name="coffrify-deliver")
        for post in (target.post, target.apart or target.post)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    one, two = answers
    return one, two


# --- async ------------------------------------------------------------------------------------


async def _post_async(target: Target, request: SignedRequest) -> Answer:
    if target.post_async is not None:
        return await target.post_async(request, target.path)
    if target.post is None:
        raise TypeError(target)
    call = partial(target.post, request, target.path)
    if target.is_django:
        asgiref: Any = sys.modules["asgiref.sync"]
        found: Answer = await asgiref.sync_to_async(call)()  # where its connections are
        return found
    trio = running_trio()
    if trio is not None:
        answer: Answer = await trio.to_thread.run_sync(call)
        return answer
    return await asyncio.to_thread(call)


async def _gather_two(post: Callable[[], Awaitable[Answer]]) -> tuple[Answer, Answer]:
    """Send twice at the same moment, on this event loop."""
    trio = running_trio()
    if trio is None:
        one, two = await asyncio.gather(post(), post())
        return one, two
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await post())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        nursery.start_soon(send)
    return answers[0], answers[1]
