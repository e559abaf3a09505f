"""What a body may have been before something on its way changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import undo_content as content
from . import undo_transport as transport
from .diagnosis import Finding
from .truncated import LONGEST_TEXT, ends
from .undo_transport import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from .work import Work

    Undo: TypeAlias = "Callable[[bytes], Iterator[tuple[str, bytes]]]"

__all__ = ["Bodies", "Body"]

_MOST_KEPT = 32 << 20
_WRITING = 8
"""What it costs to parse or write a byte of JSON, in bytes hashed."""


class Body(NamedTuple):
    """A body, and what has to be undone to get it."""

    data: bytes
    findings: tuple[Finding, ...] = ()
    is_plain: bool = True
    """Whether only what a transport does was undone."""


class Bodies:
    """The bodies by their number of findings, made when they are first asked for."""

    def __init__(self, body: bytes, work: Work) -> None:
        self._work = work
        self._known = {body}
        self._size = 0
        self._levels: list[tuple[list[Body], Iterator[Body]]] = [([Body(body)], iter(()))]

    def level(self, number: int) -> Iterator[Body]:
        """Yield the bodies with so many findings, plain ones first; as far as the work allows."""
        if number > _DEEPEST:
            return
        while len(self._levels) <= number:
            self._levels.append(([], self._make(len(self._levels))))
        made, source = self._levels[number]
        place = 0
        while True:
            if place == len(made):
                following = next(source, None)
                if following is None:
                    return
                made.append(following)
            yield made[place]
            place += 1

    def _make(self, number: int) -> Iterator[Body]:
        before = list(self.level(number - 1))
        for undos in (_CHEAP, _OTHERS):
            for body in before:
                for undo in _undos_for(body):
                    if undo in undos:
                        yield from self._apply(body, undo)

    def _apply(self, before: Body, undo: Undo) -> Iterator[Body]:
        costs = _WRITING if undo in _COSTLY else 1
        try:
            for text, data in undo(before.data):
                if not self._work.take(len(data) * costs):
                    return
                if data in self._known or self._size > _MOST_KEPT:
                    continue
                self._known.add(data)
                self._size += len(data)
                finding = Finding(*text.split(":", 1))
                is_new = all(finding.code != each.code for each in before.findings)
                findings = (*before.findings, finding) if is_new else before.findings
                yield Body(data, findings, before.is_plain and undo in _CHEAP)
        except (
            ValueError,
            LookupError,
            TypeError,
            RecursionError,
            MemoryError,
            OverflowError,
            SyntaxError,
        ):
            return  # it is not what this undoes


def _undos_for(body: Body) -> tuple[Undo, ...]:
    """Return what may be undone: of what was written anew, only what was done after it."""
    if any(each.code in _REWRITTEN for each in body.findings):
        return _SMALL
    if len(body.data) > LARGEST:
        return _CHEAP
    if len(body.data) > LONGEST_TEXT:
        return (*_CHEAP, *(() if body.findings else (content.serialise, content.rests)))
    return _UNDO


_SMALL: tuple[Undo, ...] = (transport.newlines, transport.lines, transport.boms)
_CHEAP: tuple[Undo, ...] = (
    *_SMALL,
    transport.base64,
    transport.compressed,
    transport.chunks,
    transport.charsets,
)
_COSTLY: tuple[Undo, ...] = (
    content.read_repr,
    content.characters,
    content.rests,
    content.fields,
    content.serialise,
    content.strings,
)
_OTHERS: tuple[Undo, ...] = (content.forms, ends, *_COSTLY)
_UNDO: tuple[Undo, ...] = (*_CHEAP, *_OTHERS)
_REWRITTEN = ("body_reserialised", "body_altered", "body_truncated")
_DEEPEST = 3
