"""The pages about all events: health, handlers, refused requests, catalog drift."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks.dispatch.message import finished_in
from coffrify_webhooks.stores.drift import drift_in
from coffrify_webhooks.stores.marks import has_marks
from coffrify_webhooks.stores.record import STATS_COUNT_TO
from coffrify_webhooks.stores.refused import KEPT_FOR, refused_of

from .facts import failed_in
from .reading import store_of
from .search import PAGE, recent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coffrify_webhooks.receiver import Receiver
    from coffrify_webhooks.stores import Record

    from .pages import Pages
    from .request import InboxRequest
    from .response import Response

__all__ = ["OverviewPages"]

_SAMPLE = 1000
"""Events that the numbers cover: those whose status changed last."""
_HOURS = 24
_HOUR = 3600
_BAD = ("failed", "dead", "conflict")


class HandlerLine(NamedTuple):
    """A handler, and how it did with the events of the sample."""

    name: str
    patterns: tuple[str, ...]
    finished: int
    failed: int
    """Events whose last error names it."""
    last: float | None
    """When the status of an event changed last that it has finished."""

    @property
    def failure_rate(self) -> str:
        """The share of these events on which it fails; "" without any."""
        tried = self.finished + self.failed
        return f"{self.failed / tried:.0%}" if tried else ""


class Hour(NamedTuple):
    """The events of the sample whose status changed in one hour."""

    begin: float
    done: int
    bad: int
    others: int


class OverviewPages:
    """Shows what concerns all events; the numbers are of a bounded sample, which is said."""

    def __init__(self, receiver: Receiver, pages: Pages) -> None:
        self._receiver = receiver
        self._pages = pages

    def health(self, request: InboxRequest) -> Response:
        """Show how the receiver is, and how many events became what."""
        sample = recent(self._receiver, _SAMPLE)
        reading = copy(self._receiver)
        reading.store = store_of(self._receiver)
        return self._pages.page(
            request,
            "health.html",
            receiver=self._receiver.name,
            health=reading.health(),
            most=STATS_COUNT_TO,
            sample=_SAMPLE,
            hours=_hours(sample),
        )

    def handlers(self, request: InboxRequest) -> Response:
        """Show which handlers there are, and how they do."""
        sample = [
            each._replace(finished=finished_in(each)) for each in recent(self._receiver, _SAMPLE)
        ]
        lines = [_line(each.name, each.patterns, sample) for each in self._receiver.router.handlers]
        return self._pages.page(request, "handlers.html", lines=lines, sample=_SAMPLE)

    def refused(self, request: InboxRequest) -> Response:
        """Show the requests that were refused last, where they are captured."""
        wanted = refused_of(self._receiver.name)._replace(recent=KEPT_FOR)
        is_captured = bool(self._receiver.captures.most)
        found = store_of(self._receiver).find(wanted, PAGE) if is_captured else []
        return self._pages.page(
            request,
            "refused.html",
            records=found,
            how=self._receiver.how_to_set("capture", "20"),
            is_captured=is_captured,
        )

    def drift(self, request: InboxRequest) -> Response:
        """Show the types of events that do not fit the classes in use."""
        store = store_of(self._receiver)
        is_kept = has_marks(store)
        found = drift_in(store, self._receiver.name) if is_kept else []
        return self._pages.page(request, "drift.html", found=found, is_kept=is_kept)


def _line(name: str, patterns: tuple[str, ...], sample: list[Record]) -> HandlerLine:
    finished = [each.touched_at for each in sample if name in each.finished]
    failed = sum(failed_in(each, name) for each in sample if name not in each.finished)
    return HandlerLine(name, patterns, len(finished), failed, max(finished, default=None))


def _hours(sample: Iterable[Record]) -> list[Hour]:
    counts: Counter[tuple[int, str]] = Counter()
    for each in sample:
        kind = "done" if each.status == "done" else "bad" if each.status in _BAD else "others"
        counts[int(each.touched_at // _HOUR), kind] += 1
    hours = sorted({hour for hour, _ in counts}, reverse=True)[:_HOURS]
    return [
        Hour(h * _HOUR, counts[h, "done"], counts[h, "bad"], counts[h, "others"]) for h in hours
    ]
