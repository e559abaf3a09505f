"""The application's context, for each handler that runs outside of it."""

from __future__ import annotations

# Nothing public hides a running loop, on which Flask's (asgiref's) async_to_sync refuses to run.
from asyncio import _get_running_loop, _set_running_loop
from contextlib import nullcontext
from typing import TYPE_CHECKING

from flask import current_app, has_app_context

from .commands import RECEIVERS

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from flask import Flask

    from coffrify_webhooks.receiver import Receiver

__all__ = ["context_of"]


def context_of(app: Flask, receiver: Receiver) -> AbstractContextManager[object]:
    """Return what a handler runs in: the context that is there, unless it is another's."""
    if has_app_context() and receiver in current_app.extensions.get(RECEIVERS, {}).values():
        return nullcontext()
    return _OwnContext(app)


class _OwnContext:
    """A context for one handler, which ends as in sync code.

    On an event loop Flask could not run an async teardown function.
    """

    def __init__(self, app: Flask) -> None:
        self._context = app.app_context()

    def __enter__(self) -> None:
        self._context.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        loop = _get_running_loop()
        _set_running_loop(None)
        try:
            self._context.__exit__(kind, error, traceback)
        finally:
            _set_running_loop(loop)
