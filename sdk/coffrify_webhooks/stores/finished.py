"""The finished events of the store in memory: packed, in the order in which they were finished.

A process may keep a million of them. As objects each takes a kilobyte, of which most is the same
for all: the receiver, the type, the handlers. What differs is packed into one `bytes`.
"""

import marshal
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Finished", "FinishedEvents"]

_SEGMENT = 512
"""Events that are read without letting others in between."""
_MOST_KINDS = 10_000
"""Nothing else bounds the types that a sender may make up."""
_TIMESTAMP_ENDS = ',"scheme"'
"""Behind this, what is kept of a delivery is the same for all of one kind."""


class Finished(NamedTuple):
    """What is kept of a finished event."""

    receiver: str
    id: str
    type: str
    delivery: str
    attempts: int
    received_at: float
    touched_at: float
    digest: str
    finished: tuple[str, ...]


class FinishedEvents:
    """Events by key; whoever uses them holds a lock."""

    def __init__(self) -> None:
        self._packed: dict[str | bytes, bytes] = {}
        # The keys as they were finished, in segments that can be read one by one. A key that was
        # removed leaves its place; one that was finished again has another place.
        self._segments: deque[tuple[float, list[str | bytes]]] = deque()
        self._first = 0
        """The number of the first segment."""
        self._gone = 0
        """How many of the first segment's places were removed."""
        self._kinds: dict[Any, int] = {}
        self._kind_of: list[Any] = []
        self._latest = 0.0
        self.in_order: bool = True
        """Whether no event was finished before one that stands in front of it."""

    def __len__(self) -> int:
        return len(self._packed)

    def add(self, key: str, event: Finished) -> None:
        """Add an event that was finished now."""
        touched_at = event.touched_at
        self.in_order = self.in_order and touched_at >= self._latest
        self._latest = touched_at
        if not self._segments or len(self._segments[-1][1]) >= _SEGMENT:
            self._segments.append((touched_at, []))
        places = self._segments[-1][1]
        place = (self._first + len(self._segments) - 1) * _SEGMENT + len(places)
        short = _shorten(key)
        places.append(short)
        self._packed[short] = self._pack(place, event)

    def get(self, key: str) -> Finished | None:
        """Return an event, if it is there."""
        packed = self._packed.get(_shorten(key))
        return None if packed is None else self._unpack(packed)[1]

    def remove(self, key: str) -> bool:
        """Remove an event; tell whether it was there."""
        return self._packed.pop(_shorten(key), None) is not None

    def remove_oldest(self, before: float = float("inf")) -> bool:
        """Remove the event that was finished first, if that was before a time."""
        while self._segments:
            places = self._segments[0][1]
            if self._gone >= len(places):
                if len(self._segments) == 1:
                    return False
                self._segments.popleft()
                self._first += 1
                self._gone = 0
                continue
            key = places[self._gone]
            packed = self._packed.get(key)
            if packed is not None:
                place, event = self._unpack(packed)
                if place == self._first * _SEGMENT + self._gone:
                    if event.touched_at >= before:
                        return False
                    del self._packed[key]
                    self._gone += 1
                    return True
            self._gone += 1
        return False

    def last_segment(self, until: float) -> int:
        """Return the number of the last segment that may hold an event of this time or before."""
        number = self._first + len(self._segments) - 1
        if self.in_order:
            while number > self._first and self._segments[number - self._first][0] > until:
                number -= 1
        return number

    def segment(self, number: int) -> list[tuple[int, str, bytes]] | None:
        """Return a segment as `unpack` takes it; None if there is none of that number any more."""
        if not self._first <= number < self._first + len(self._segments):
            return None
        keys = self._segments[number - self._first][1]
        found = [(place, key, self._packed.get(key)) for place, key in enumerate(keys)]
        start = number * _SEGMENT
        return [
            (start + place, _lengthen(key), each) for place, key, each in found if each is not None
        ]

    def unpack(self, segment: list[tuple[int, str, bytes]]) -> Iterator[tuple[str, Finished]]:
        """Yield the events that have their place in a segment; needs no lock."""
        for here, key, packed in segment:
            place, event = self._unpack(packed)
            if place == here:
                yield key, event

    def _pack(self, place: int, event: Finished) -> bytes:
        head, mark, tail = event.delivery.partition(_TIMESTAMP_ENDS)
        heads = tuple(head.split(event.id)) if event.id else (head,)
        kind: Any = (event.receiver, event.type, mark + tail, event.attempts, event.finished)
        known = self._kinds.get(kind)
        if known is None and len(self._kind_of) < _MOST_KINDS:
            known = self._kinds[kind] = len(self._kind_of)
            self._kind_of.append(kind)
        kind = kind if known is None else known
        digest = _shorten(event.digest)
        times = event.received_at, event.touched_at
        return marshal.dumps((place, kind, event.id, heads, digest, *times))

    def _unpack(self, packed: bytes) -> tuple[int, Finished]:
        place, kind, event_id, heads, digest, received_at, touched_at = marshal.loads(  # noqa: S302 - our own
            packed
        )
        if isinstance(kind, int):
            kind = self._kind_of[kind]
        receiver, event_type, tail, attempts, finished = kind
        return place, Finished(
            receiver,
            event_id,
            event_type,
            event_id.join(heads) + tail,
            attempts,
            received_at,
            touched_at,
            _lengthen(digest),
            finished,
        )


def _shorten(text: str) -> str | bytes:
    """Return a sha256 in hexadecimal as its 32 bytes; any other text as it is."""
    if len(text) != 64:  # noqa: PLR2004
        return text
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return text
    return found if found.hex() == text else text


def _lengthen(short: str | bytes) -> str:
    return short.hex() if isinstance(short, bytes) else short
