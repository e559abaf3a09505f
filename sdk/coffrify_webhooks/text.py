"""Texts made harmless where they are remembered or shown: strangers' short, secret ones hidden."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex

__all__ = ["MaskedText", "plain", "quoted"]

_LONGEST = 255


class MaskedText(str):
    """A secret, or what may be one: its repr, as in a crash report, shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, part: SupportsIndex | slice, /) -> str:
        """Return a part of it, which is masked too: some reporters cut a text before its repr."""
        return MaskedText(super().__getitem__(part))


def plain(text: str, longest: int = _LONGEST) -> str:
    """Return text that every database stores and every terminal can show; cut if it is long."""
    cut = text[: longest + 1]  # what is escaped is no shorter
    safe = cut.isascii() and cut.isprintable()
    shown = cut if safe else cut.encode("unicode_escape", "surrogatepass").decode("ascii")
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def quoted(value: object) -> str:
    """Return an event's id or type as a log shows it: a literal, escaped and cut."""
    if isinstance(value, str):
        return ascii(value if len(value) <= _LONGEST else f"{value[: _LONGEST - 3]}...")
    if value is None or isinstance(value, (int, float)):
        return ascii(value)[:_LONGEST]
    return type(value).__name__
