"""Runs each handler with all that its events may become, and reports what breaks it."""

from __future__ import annotations

import inspect
import json
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from coffrify_webhooks.applications.endpoints import receivers_in
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.event import Event, UnknownEvent
from coffrify_webhooks.handlers.annotation import UNKNOWN
from coffrify_webhooks.observe import Facts
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.router import Router
from coffrify_webhooks.signature import sign

from .bend import bends_of
from .event_maker import event_of
from .kit import isolated
from .layers import open_layer
from .report import Checked, Finding, Report
from .rollback import databases_of, rolled_back
from .smallest import smallest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from coffrify_webhooks.handlers.handler import Handler
    from coffrify_webhooks.observe import Notice
    from coffrify_webhooks.receiver import Receiver

__all__ = ["check_handlers"]

_WHOLE = "data"
"""Without all that an event is about, no handler has anything to do."""
_INVENTED = "invented.later"
"""The type that a handler of unknown events is given."""


def check_handlers(
    target: object,
    *,
    examples: int = 50,
    progress: Callable[[int, int], object] | None = None,
) -> Report:
    """Run each handler with events as they are now and as they may become; return a `Report`.

    Those are bodies that the schema allows (random ones if Hypothesis is installed, else the
    catalog's examples with each optional field absent, empty and null), and their bends: an
    unknown field, a required one that is missing, null or of another type, an unknown value. Each
    event runs twice, as one does whose first run ended before it was recorded. A handler fails
    that raises, or takes longer than the sender waits.

    The receivers are isolated meanwhile, but the handlers really run: what they write to a database
    or send is written and sent, so give them only what exists for tests. In Django, what they write
    to its databases is rolled back.

    target: a Receiver, an application that has some, or its test client. examples: how many
    random bodies each handler is given. progress: called with the number of handlers done, and of
    all. Raises ConfigurationError for what holds no receiver, or none that has a handler.
    """
    receivers = receivers_in(target)
    pairs = [(receiver, each) for receiver in receivers for each in receiver.router.handlers]
    if not pairs:
        what = "handler that is registered" if receivers else "Receiver"
        raise ConfigurationError(
            f"this {type(target).__name__} has no {what}: give a Receiver or an application, and "
            "import the modules that hold the handlers first"
        )
    random = find_spec("hypothesis") is not None
    checked: list[Checked] = []
    findings: list[Finding] = []
    with isolated(*receivers):
        for number, (receiver, handler) in enumerate(pairs):
            if progress is not None:
                progress(number, len(pairs))
            check = _Check(receiver, handler)
            with open_layer(check):
                checked.append(check.run(examples if random else 0))
            findings += check.found.values()
    if progress is not None:
        progress(len(pairs), len(pairs))
    return Report((*checked,), (*findings,), random)


class _Check:
    """The check of one handler; a layer under which it is the receiver's only one."""

    def __init__(self, receiver: Receiver, handler: Handler) -> None:
        self._receiver = receiver
        self._handler = handler
        self._alone = Router(registry=receiver.router.registry)
        self._alone._handlers = {handler.name: handler}
        self._file, self._line = _place_of(handler.fn)
        self._databases = databases_of(receiver)
        self._failures: list[BaseException] = []
        self._events = 0
        self._slowest = 0.0
        self.found: dict[tuple[object, ...], Finding] = {}

    def see(self, receiver: Receiver, setting: str, value: Any, /) -> Any:
        """See `Layer.see`."""
        if receiver is not self._receiver:
            return value
        match setting:
            case "router":
                return self._alone
            case "dispatcher":
                return None  # what an engine would run is run here
            case "_observers":
                return (
                    Facts(self._observe),
                )  # what the handlers raise is in the report, not in the log
            case _:
                return value

    def _observe(self, notice: Notice) -> None:
        error = notice.error
        if notice.kind == "handler_failed" and error is not None and error.__cause__ is not None:
            self._failures.append(error.__cause__)

    def run(self, examples: int) -> Checked:
        """Give the handler all of its events."""
        types = self._types()
        bent: set[object] = set()
        for name, event_class in types.items():
            example = json.loads(_example(name, event_class).raw)
            self._try("valid", "", example)
            data = event_class.model_fields["data"].annotation
            if data not in bent:  # a family's events carry the same
                bent.add(data)
                for bend in bends_of(event_class, example):
                    if bend.path != _WHOLE:
                        self._try(bend.kind, bend.path, bend.document)
        for name, event_class in types.items():
            if examples and event_class.__module__.startswith("coffrify_webhooks.events."):
                self._try_random(name, max(1, examples // len(types)))
        self._make_small()
        handler = self._handler.name
        return Checked(handler, self._file, self._line, (*types,), self._events, self._slowest)

    def _types(self) -> dict[str, type[Event]]:
        """Return the event types that the handler wants, each with its class."""
        registry = self._receiver.router.registry
        known = [name for name in registry if self._handler.wants(name, known=True)]
        named = [each for each in self._handler.patterns if "*" not in each and each != UNKNOWN]
        families = [each[:-1] + "invented_later" for each in self._handler.patterns if ".*" in each]
        invented = [_INVENTED] if {"*", UNKNOWN} & {*self._handler.patterns} else []
        names = dict.fromkeys([*known, *named, *families, *invented])
        return {name: registry.get(name) or UnknownEvent for name in names}

    def _try_random(self, event_type: str, examples: int) -> None:
        from hypothesis import HealthCheck, Phase, given, settings

        from .strategies import events

        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            derandomize=True,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.filter_too_much,
                HealthCheck.data_too_large,
            ],
            phases=[Phase.generate],
        )
        @given(events(event_type))
        def run(document: dict[str, Any]) -> None:
            self._try("valid", "", document)  # never raises: all examples are tried

        with _no_files():
            run()

    def _try(self, kind: str, path: str, document: dict[str, Any]) -> None:
        """Run an event and run it again; record what fails."""
        if isinstance(document.get("id"), str):  # another event each time
            document = {**document, "id": f"evt_{self._events}"}
        with rolled_back(self._databases):
            failure = self._run(document)
            if failure is None and kind in ("valid", "optional"):
                failure, kind = self._run(document), "second_run"
        if failure is not None:
            self._record(kind, path, document, failure)

    def _run(self, document: dict[str, Any]) -> BaseException | None:
        """Run an event; return what the handler raised, or why it did not run."""
        body = json.dumps(document).encode()
        receiver, event_id = self._receiver, f"evt_{self._events}"
        for known in (event_id, str(document.get("id"))):
            receiver.forget(known)
        secret = receiver.verifier.keyring().secrets[0]
        headers = sign(body, secret, id=event_id, timestamp=receiver.clock())
        self._failures.clear()
        began = time.perf_counter()
        reply = receiver.receive(body, headers)
        took = time.perf_counter() - began
        self._events += 1
        self._slowest = max(self._slowest, took)
        if took > receiver.sender_timeout:
            self._record("slow", "", document, None)
        if self._failures:
            return self._failures[0]
        refused = reply.outcome == "unreadable" and receiver.strict
        if reply.outcome == "handled" or refused:
            return None
        fallback = ConfigurationError(f"the handler was not run: {reply.outcome}")
        return fallback if reply.error is None else reply.error.__cause__ or reply.error

    def _record(
        self, kind: str, path: str, document: dict[str, Any], failure: BaseException | None
    ) -> None:
        """Keep a failure; of several that are alike, the one that says most."""
        alike = (type(failure), _raised_at(failure))
        if ("valid", *alike) in self.found:
            return  # it fails so on any body
        if kind == "valid" and ("optional", *alike) in self.found:
            return  # which names the field
        self.found.setdefault(
            (kind, *alike),
            Finding(
                self._handler.name,
                self._file,
                self._line,
                kind,
                path,
                str(document.get("type")),
                json.dumps(document).encode(),
                failure,
            ),
        )

    def _make_small(self) -> None:
        """Leave out of each body that fails what has no part in it."""
        for key, finding in [*self.found.items()]:
            if finding.kind in ("second_run", "slow"):
                continue
            issues = self._issues(json.loads(finding.body))
            document = smallest(
                json.loads(finding.body), partial(self._fails_alike, key[1:], issues)
            )
            self.found[key] = replace(finding, body=json.dumps(document).encode())

    def _fails_alike(
        self, alike: tuple[object, ...], issues: object, document: dict[str, Any]
    ) -> bool:
        """Tell whether a body that differs from its schema in nothing else fails at that place."""
        if self._issues(document) != issues:
            return False
        with rolled_back(self._databases):
            failure = self._run(document)
        return (type(failure), _raised_at(failure)) == alike

    def _issues(self, document: dict[str, Any]) -> object:
        return parse(json.dumps(document).encode(), registry=self._alone.registry).issues


def _example(name: str, event_class: type[Event]) -> Event:
    if event_class is not UnknownEvent:
        return event_of(event_class)
    event = UnknownEvent.model_validate({"type": name, "id": "evt_1"})
    return event_of(event, data={})


def _place_of(function: Any) -> tuple[str, int]:
    """Return the file and the line of a handler."""
    function = inspect.unwrap(getattr(function, "func", function))  # of a functools.partial
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else ("?", 0)


def _raised_at(failure: BaseException | None) -> object:
    trace = None if failure is None else failure.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)


@contextmanager
def _no_files() -> Generator[None]:
    """Let Hypothesis keep what it remembers elsewhere, unless this folder has a place for it."""
    if Path(".hypothesis").exists():
        yield
        return
    from hypothesis import configuration

    before = getattr(configuration, "__hypothesis_home_directory", None)
    with TemporaryDirectory(prefix="coffrify-webhooks-") as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)
