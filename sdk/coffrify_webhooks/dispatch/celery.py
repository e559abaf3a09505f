"""Events handed to Celery: the application's own workers handle them, beside its other tasks.

A message goes out on connections of our own, which give up within seconds and ask for the broker's
receipt, and is acknowledged when its handlers have run. A retry is a message of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.extras import needs
from coffrify_webhooks.observe import logger

from .celery_settings import OPTIONS, TASK, problems, refuse

with needs("celery"):  # which has no types
    _celery: Any = import_module("celery")

    from .celery_broker import Line
    from .celery_worker import _Check, _Sweeps, execute

if TYPE_CHECKING:
    from .protocol import Executor, Message

__all__ = ["CeleryDispatcher"]

_FORMS = '"celery:shop.tasks:app", as in `celery -A shop.tasks:app worker`'


class CeleryDispatcher:
    """Hands events to a Celery application, whose workers then run the handlers.

    app: your `celery.Celery`. A worker must import the module in which the Receiver is created, or
    it discards the events as an unregistered task: name it in the app's `include`. Configure the
    app before that.

    Raises ConfigurationError, naming the setting, when a Receiver is made with settings under which
    events could be lost; a worker with such settings does not start.
    """

    def __init__(self, app: Any) -> None:
        if not isinstance(app, _celery.Celery):
            raise ConfigurationError(
                f"CeleryDispatcher takes your Celery application, not {type(app).__name__}"
            )
        self.app: Any = app
        # A second dispatcher of the same app gets the same task, with the line that it has.
        self._task: Any = app.task(bind=True, name=TASK, shared=False, line=Line(app), **OPTIONS)(
            execute
        )
        self._checked = False
        app.steps["worker"].add(_Check)
        app.steps["consumer"].add(_Sweeps)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the dispatcher that "celery:module" or "celery:module:attribute" names."""
        return cls(_find_app(url.partition(":")[2]))

    def __repr__(self) -> str:
        return f"CeleryDispatcher({self.app.main!r}, broker={_broker_url(self.app)!r})"

    def attach(self, receiver: Executor) -> None:
        """Remember whose `execute` a worker is to call; see `Dispatcher.dispatch`."""
        refuse(self.app, problems(self.app, self._task, (receiver,)))
        known = self._task.line.receivers.setdefault(receiver.name, receiver)
        if known is not receiver and known.router is not receiver.router:
            logger.warning(
                "two Receivers called %a use this Celery application and have different handlers; "
                "the later one handles the events of both. Give one of them another name: %s",
                receiver.name,
                receiver.how_to_set("name", "..."),
            )
        self._task.line.receivers[receiver.name] = receiver

    def dispatch(self, message: Message) -> None:
        """See `Dispatcher.dispatch`."""
        if not self._checked:  # the app may have been configured further meanwhile
            receivers = self._task.line.receivers.values()
            refuse(self.app, problems(self.app, self._task, receivers))
            self._checked = True
        self._task.line.send(self._task, message)


# --- what may be given ------------------------------------------------------------------------


def _find_app(place: str) -> Any:
    """Return the app that "module" or "module:attribute" names, as Celery's -A does."""
    module, _, attribute = place.partition(":")
    if not module or module.startswith(("/", ".")):
        raise ConfigurationError(f"the Celery URL names no module; give {_FORMS}")
    try:
        found = import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{module!r}, which the URL of Celery names, could not be imported ({error}); "
            f"give {_FORMS}"
        ) from error
    for name in (attribute,) if attribute else ("app", "celery"):
        app = getattr(found, name, None)
        if isinstance(app, _celery.Celery):
            return app
    raise ConfigurationError(
        f"there is no Celery application {attribute or 'app'!r} in {module!r}, or not yet, if "
        f"it imports the module of the Receiver above it; give {_FORMS}"
    )


def _broker_url(app: Any) -> str:
    return str(app.connection_for_write().as_uri())  # with ** for the password
