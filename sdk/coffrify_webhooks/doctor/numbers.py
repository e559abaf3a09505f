"""How programs write the numbers of a JSON text that they have parsed: 1.0, 1, 1e-7, 1E-07."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from .json_values import is_array, is_number, is_object, mark, number_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["fractions", "styles"]

_LONGEST = 40
"""Characters of a number that is written in another way."""
_FEW_KEYS, _MANY_KEYS = 6, 16


class _Style(NamedTuple):
    """How a language writes a number with a fraction or an exponent."""

    lowest: int
    highest: int
    """Powers of ten of the first digit between which there is no exponent."""
    exponent: str
    """How one is written: `e{:+03d}` is that of Python."""
    has_point: bool
    """Whether a fraction stands in front of an exponent at any rate: 1.0e-7."""
    is_whole: bool
    """Whether a whole number has a fraction: 12.0."""


_STYLES = (
    _Style(-6, 20, "e{:+d}", has_point=False, is_whole=False),  # JavaScript, Go
    _Style(-4, 15, "e{:+03d}", has_point=False, is_whole=True),  # Python
    _Style(-4, 15, "e{:+03d}", has_point=True, is_whole=True),  # Ruby
    _Style(-4, 16, "e{:+d}", has_point=True, is_whole=True),  # PHP, Erlang
    _Style(-3, 6, "E{:d}", has_point=True, is_whole=True),  # Java
    _Style(-5, 14, "E{:+03d}", has_point=False, is_whole=False),  # .NET
    _Style(-5, 14, "E{:+03d}", has_point=False, is_whole=True),  # Newtonsoft
    _Style(-5, 15, "e{:d}", has_point=False, is_whole=True),  # Rust
    _Style(-99, 99, "e{:d}", has_point=False, is_whole=False),  # databases
)


def styles(value: Any) -> Iterator[Any]:
    """Yield a value of which each number with a fraction is written by each language."""
    tokens = dict.fromkeys(token for _, token in _numbers(value) if not _is_integer(token))
    seen = {tuple(tokens)}
    for style in _STYLES:
        written = {token: _write(token, style) for token in tokens}
        if tuple(written.values()) not in seen:
            seen.add(tuple(written.values()))
            yield _replace(value, _known(written))


def fractions(value: Any) -> Iterator[Any]:
    """Yield a value of which some whole numbers have a fraction: 1.0 or 1.00 for 1.

    Which do is a matter of the key: `{"price": 1.0, "count": 1}`.
    """
    integers, others = (
        list(dict.fromkeys(k for k, token in _numbers(value) if _is_integer(token) is which))
        for which in (True, False)
    )
    for chosen in _choices(others) if others else ():
        yield _replace(value, _rounded(chosen))
    for chosen in _choices(integers) if integers else ():
        for end in (".0", ".00"):
            yield _replace(value, _ending(chosen, end))


def _choices(keys: list[str]) -> Iterable[frozenset[str]]:
    yield frozenset(keys)
    most = len(keys) - 1 if len(keys) <= _FEW_KEYS else 2 if len(keys) <= _MANY_KEYS else 1
    for size in range(1, most + 1):
        yield from map(frozenset, combinations(keys, size))


def _ending(chosen: frozenset[str], end: str) -> Callable[[str, str], str]:
    def write(key: str, token: str) -> str:
        if not _is_integer(token):
            return _cents(token) if end == ".00" else token
        return token + end if key in chosen else token

    return write


def _rounded(chosen: frozenset[str]) -> Callable[[str, str], str]:
    def write(key: str, token: str) -> str:
        return _cents(token) if key in chosen else token

    return write


def _known(written: dict[str, str]) -> Callable[[str, str], str]:
    def write(_: str, token: str) -> str:
        return written.get(token, token)

    return write


def _is_integer(token: str) -> bool:
    return token.removeprefix("-").isdigit()


def _cents(token: str) -> str:
    """Write a price as most do: 10.50 for 10.5."""
    whole, _, fraction = token.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}" if fraction.isdigit() else token


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each number, with the key under which it stands."""
    if is_object(value):
        for name, each in value.items():
            yield from _numbers(each, name)
    elif is_array(value):
        for each in value:
            yield from _numbers(each, key)
    elif is_number(value):
        yield key, number_in(value)


def _replace(value: Any, write: Callable[[str, str], str], key: str = "") -> Any:
    if is_object(value):
        return {name: _replace(each, write, name) for name, each in value.items()}
    if is_array(value):
        return [_replace(each, write, key) for each in value]
    return mark(write(key, number_in(value))) if is_number(value) else value


def _write(token: str, style: _Style) -> str:
    """Write a number anew, from its shortest digits."""
    number = float(token) if len(token) <= _LONGEST else 0.0
    if not number or number in (float("inf"), float("-inf")):
        return token if number or len(token) > _LONGEST else ("0.0" if style.is_whole else "0")
    digits, _, power = f"{abs(number):.16e}".partition("e")
    for precision in range(17):  # as short as says the same number
        digits, _, power = f"{abs(number):.{precision}e}".partition("e")
        if float(f"{digits}e{power}") == abs(number):
            break
    sign, place = "-" * (number < 0), int(power)
    digits = digits.replace(".", "").rstrip("0")
    if not style.lowest <= place <= style.highest:
        rest = digits[1:] or "0" * style.has_point
        return f"{sign}{digits[0]}{'.' * bool(rest)}{rest}{style.exponent.format(place)}"
    if place < 0:
        return f"{sign}0.{'0' * (-place - 1)}{digits}"
    whole = digits[: place + 1].ljust(place + 1, "0")
    rest = digits[place + 1 :] or "0" * style.is_whole
    return f"{sign}{whole}{'.' * bool(rest)}{rest}"
