"""The two drivers, sync and async: each steps the pipeline and performs the effects it asks for.

The sync one performs all of them in the caller's thread. The async one performs in place what
cannot block, and goes to a thread for the rest: there it goes on, as the sync one does, until an
async handler wants the event loop back.
"""

from __future__ import annotations

import os
import threading
from asyncio import CancelledError
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar

from coffrify_webhooks.concurrency import bridge
from coffrify_webhooks.concurrency.async_library import is_in_task, running_trio
from coffrify_webhooks.errors import ClaimLost, NotBegun, StoreUnavailable
from coffrify_webhooks.pipeline.effects import (
    CallHandler,
    Compute,
    Dispatch,
    Effect,
    LoadSecrets,
    Notify,
    Operate,
    Steps,
    StoreCall,
)
from coffrify_webhooks.pipeline.operation import as_operation
from coffrify_webhooks.stores.blocking import async_form
from coffrify_webhooks.stores.turn import WouldWait

from .calls import await_atomically, call_atomically, call_here, call_on_loop, failure_of
from .end import End
from .operations import Operations
from .watch import Watch, report_overload

if TYPE_CHECKING:
    from coffrify_webhooks.observe import Operation

    from .hooks import Hooks

__all__ = ["drive", "drive_async"]

T = TypeVar("T")

_BEGIN_WITHIN = 5.0
"""Seconds within which a handler must begin, or the event is given back; the sender waits 15."""
_MOST = 40
"""How many sync handlers the async driver runs at once: AnyIO, and so Starlette, runs as many."""
_places = threading.BoundedSemaphore(_MOST)
_inside: ContextVar[bool] = ContextVar("coffrify_webhooks_inside_handler", default=False)


def drive(
    receiver: Hooks,
    steps: Steps[T],
    patience: float | None = None,
    operation: Operation | None = None,
) -> T:
    """Perform each effect in this thread.

    patience: seconds after which whoever waits for the end has gone; None if nobody waits.
    operation: what all of it is to observers.
    """
    run = _Run(receiver, steps, patience, operation)
    try:
        effect = run.resume()
        while not isinstance(effect, End):
            effect = run.step(effect)
    finally:
        run.watch.close()
    return effect.value()


async def drive_async(
    receiver: Hooks,
    steps: Steps[T],
    patience: float | None = None,
    operation: Operation | None = None,
) -> T:
    """Perform each effect without blocking the event loop.

    Once there is something to wait for, it goes to its end even if the caller is cancelled, as
    some servers do when the sender hangs up, so that no handler stops half-way. Up to there it
    needs no task of its own, which would cost 20 us: nothing can be cancelled that does not wait.
    """
    run = _Run(receiver, steps, patience, operation)
    if run.operations is not None:  # what their observers set belongs to one task
        return (await bridge.shield(run.run_whole)).value()
    effect = run.in_place(run.resume())
    if not isinstance(effect, End):
        effect = await bridge.shield(lambda: run.run_rest(effect))
    return effect.value()


class _Run(Generic[T]):
    """One delivery's steps under way."""

    __slots__ = (
        "_async_store",
        "_awaits_store",
        "_away",
        "_begin_within",
        "_place",
        "_receiver",
        "_steps",
        "operations",
        "watch",
    )

    def __init__(
        self,
        receiver: Hooks,
        steps: Steps[T],
        patience: float | None,
        operation: Operation | None,
    ) -> None:
        listeners = receiver.listeners()
        self.operations: Operations | None = Operations(receiver, listeners) if listeners else None
        self._receiver = receiver
        self._steps = as_operation(operation, steps) if listeners and operation else steps
        self._async_store = async_form(receiver.store)
        # The drivers of async stores run on asyncio alone.
        self._awaits_store = self._async_store is not None and running_trio() is None
        self._begin_within = min(_BEGIN_WITHIN, receiver.lease / 2)
        self._away = False
        """Whether a thread runs the steps."""
        self._place: threading.Semaphore | None = None
        self.watch = Watch(receiver, patience)

    # --- anywhere -----------------------------------------------------------------------------

    def resume(self, result: Any = None, error: BaseException | None = None) -> Effect | End[T]:
        """Give the steps what they asked for; return what they ask for next."""
        try:
            return self._steps.send(result) if error is None else self._steps.throw(error)
        except StopIteration as stop:
            return End(stop.value)
        except BaseException as raised:  # whoever drives raises it
            return End(None, raised)

    def step(self, effect: Effect) -> Effect | End[T]:
        """Perform an effect in this thread, and go on."""
        operations = self.operations
        try:
            if operations is None:
                result = self._perform(effect)
            else:
                result = operations.perform(effect, self._perform)
        except BaseException as error:  # the steps decide
            return self.resume(error=error)
        return self.resume(result)

    def _perform(self, effect: Effect) -> Any:
        receiver = self._receiver
        match effect:  # the most usual first, and without taking them apart, which costs 0.5 us
            case StoreCall():
                return getattr(receiver.store, effect.method)(*effect.arguments, **effect.options)
            case CallHandler():
                return self._call(effect)
            case Notify():
                receiver.tell(effect)
            case Dispatch(message):
                return receiver.hand_over(message)
            case Compute(function, arguments):
                return function(*arguments)
            case LoadSecrets():
                return receiver.load_secrets()
            case Operate():
                pass  # there is nobody to tell
        return None

    def _call(self, call: CallHandler) -> BaseException | None:
        """Call a handler from this thread; return what it raised."""
        if self._belongs_on_loop(call):
            try:
                failure: BaseException | None = self._run_async(self._call_async, call)
            except BaseException as error:  # the wait was broken off, as by a signal
                return failure_of(call, error)
            return failure
        place = self._place
        if place is not None and not place.acquire(timeout=self._begin_within):
            raise self._report_overload("no place for it became free in time")
        try:
            self.watch.begin(call)
            if call.handler.atomic:
                call_atomically(call, self._receiver.store, self._receiver.lease)
            else:
                call_here(call, self._run_async)
        except BaseException as error:
            return failure_of(call, error)
        finally:
            self.watch.end()
            if place is not None:
                place.release()
        return None

    def _run_async(self, function: Any, *arguments: Any) -> Any:
        try:
            return self._receiver.run_async(function, *arguments, begin_within=self._begin_within)
        except NotBegun as error:
            raise self._report_overload(str(error)) from error

    def _report_overload(self, reason: str) -> NotBegun:
        return report_overload(self._receiver, self._begin_within, reason)

    # --- on an event loop ---------------------------------------------------------------------

    def in_place(self, effect: Effect | End[T]) -> Effect | End[T]:
        """Go on as far as nothing has to be waited for: a hop to a thread costs about 100 us."""
        while isinstance(effect, (StoreCall, Notify, Operate)):
            if isinstance(effect, (Notify, Operate)):
                effect = self.step(effect)
                continue
            store = self._receiver.store
            try:
                if self.operations is not None:
                    if getattr(store, "blocking", True):
                        break
                    result = self.operations.perform(effect, self._perform)
                elif not getattr(store, "blocking", True):
                    result = getattr(store, effect.method)(*effect.arguments, **effect.options)
                elif (at_once := getattr(store, "at_once", None)) is not None:
                    result = at_once(effect.method, *effect.arguments, **effect.options)
                else:
                    break
            except WouldWait:
                break
            except BaseException as error:  # the steps decide
                effect = self.resume(error=error)
            else:
                effect = self.resume(result)
        return effect

    async def run_whole(self) -> End[T]:
        """Go from the beginning to the end in one task, as what is set there is seen there."""
        return await self.run_rest(self.in_place(self.resume()))

    async def run_rest(self, effect: Effect | End[T]) -> End[T]:
        """Go on until the steps end."""
        try:
            while not isinstance(effect, End):
                if self._wants_loop(effect):
                    effect = await self._await_in_place(effect)
                else:
                    effect = await self._in_thread(effect)
                effect = self.in_place(effect)
        finally:
            if not self._away:
                self.watch.close()
        return effect

    def _wants_loop(self, effect: Effect) -> TypeGuard[CallHandler | StoreCall | Operate]:
        """Tell whether an effect is awaited on the caller's loop."""
        if isinstance(effect, CallHandler):
            return self._belongs_on_loop(effect)
        if isinstance(effect, Operate):
            return True  # it ends in the context in which it began
        return isinstance(effect, StoreCall) and self._awaits_store

    def _belongs_on_loop(self, call: CallHandler) -> bool:
        """Tell whether a handler is awaited; not in a transaction that belongs to a thread."""
        handler = call.handler
        return handler.is_async and (not handler.atomic or self._async_store is not None)

    async def _await_in_place(self, effect: CallHandler | StoreCall | Operate) -> Effect | End[T]:
        if isinstance(effect, Operate):
            return self.step(effect)
        try:
            if isinstance(effect, CallHandler):
                return self.resume(await self._await(effect))
        except (NotBegun, ClaimLost, StoreUnavailable) as error:
            return self.resume(error=error)
        try:
            result = await self._await(effect)
        except BaseException as error:  # the steps decide
            if isinstance(error, GeneratorExit) and not is_in_task():
                raise  # this coroutine is being thrown away, with its loop
            return self.resume(error=error)
        return self.resume(result)

    async def _await(self, effect: CallHandler | StoreCall) -> Any:
        if self.operations is not None:
            return await self.operations.perform_async(effect, self._await_alone)
        return await self._await_alone(effect)

    async def _await_alone(self, effect: CallHandler | StoreCall) -> Any:
        if isinstance(effect, CallHandler):
            return await self._call_async(effect)
        call = getattr(self._async_store, effect.method)
        return await call(*effect.arguments, **effect.options)

    async def _call_async(self, call: CallHandler) -> BaseException | None:
        """Call a handler on this event loop; return what it raised."""
        try:
            self.watch.begin(call)
            if call.handler.atomic:
                await await_atomically(call, self._async_store, self._receiver.lease)
            else:
                await call_on_loop(call)
        except BaseException as error:
            if isinstance(error, GeneratorExit) and not is_in_task():
                raise  # this coroutine is being thrown away, with its loop
            return failure_of(call, error)
        finally:
            self.watch.end()
        return None

    # --- from an event loop to a thread -------------------------------------------------------

    async def _in_thread(self, effect: Effect) -> Effect | End[T]:
        """Go on in a thread, until the loop is wanted again."""
        self._place = None if _inside.get() else _places
        try:
            return await self._receiver.in_thread(
                self._step_in_thread,
                effect,
                begin_within=self._begin_within,
                on_abandoned=self._end_without_loop,
            )
        except NotBegun as error:
            return self.resume(error=self._report_overload(str(error)))

    def _step_in_thread(self, effect: Effect | End[T]) -> Effect | End[T]:
        self._away = True
        _inside.set(True)
        while not isinstance(effect, End) and not self._wants_loop(effect):
            effect = self.step(effect)
        self._away = False
        return effect

    def _end_without_loop(self, effect: Effect | End[T]) -> None:
        """Go to the end without the loop, which is gone: what wants it fails."""
        self._away = True
        while not isinstance(effect, End):
            lost = isinstance(effect, CallHandler) and self._belongs_on_loop(effect)
            effect = self.resume(CancelledError()) if lost else self.step(effect)
        self.watch.close()


def _after_fork() -> None:
    """Whoever held the places is not in the child."""
    global _places
    _places = threading.BoundedSemaphore(_MOST)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
