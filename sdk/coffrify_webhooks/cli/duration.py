"""Lengths of time, as people write and read them."""

import re

import click

__all__ = ["duration", "some_time", "span"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST = 36_525 * 86_400
_FORM = re.compile(r"([0-9]{1,9})([smhdw])", flags=re.ASCII)
_WORDS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(text: str) -> float:
    """Return the seconds of a text such as 10m; the type of an option."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text[:50]!a} is not a duration; write 30s, 10m, 3h, 2d or 4w")
    seconds = float(int(found[1]) * _SECONDS[found[2]])
    if seconds > _LONGEST:
        raise click.BadParameter(f"{text} is more than a hundred years")
    return seconds


def some_time(text: str) -> float:
    """Return what `duration` does, for an option to which no time at all would mean nothing."""
    seconds = duration(text)
    if not seconds:
        raise click.BadParameter(f"{text} is no time at all; write 30s, 10m, 3h, 2d or 4w")
    return seconds


def span(seconds: float) -> str:
    """Return about how long that is, in the largest unit that fits."""
    for size, unit in _WORDS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"
