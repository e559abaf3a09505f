"""Why a signed time is outside of the window: a clock, a time zone, a unit, or an old request."""

from __future__ import annotations

from .diagnosis import Finding

__all__ = ["MILLISECONDS", "finding_of_time"]

MILLISECONDS = 100_000_000_000
"""From here on a number is no time in seconds (the year 5138)."""
_HOUR = 3600
_QUARTER_HOUR = 900
_LARGEST_ZONE = 14 * _HOUR
_EXACT = 60
"""Seconds that a request of another time zone may be under way."""


def finding_of_time(
    seconds: int, now: float, tolerance: float, date: float | None
) -> Finding | None:
    """Return what is wrong with the time at which a request was signed; None if it is right.

    date: what the request's Date header says, in seconds, or None.
    """
    skew = now - seconds
    if -tolerance <= skew < tolerance:
        return None
    if seconds > MILLISECONDS or now > MILLISECONDS:
        return Finding("timestamp_milliseconds")
    away = abs(skew)
    says = f"It was signed {away:.0f} s {'ago' if skew > 0 else 'in the future'}."
    is_zone = _is_zone(away, _EXACT, _QUARTER_HOUR)
    if skew < 0:
        is_zone = is_zone or _is_zone(away, tolerance, _HOUR)  # no old request is of the future
        code = "timezone_mixed" if is_zone else "clock_behind"
    elif date is not None and abs(date - now) < tolerance:
        code = "timezone_mixed" if is_zone else "stale"  # the sender's own clock, or an old one
    elif is_zone:
        code = "timezone_mixed"
        says += " If it was recorded then, it is simply old."
    elif away < _HOUR:
        code = "clock_ahead"
        says += " If it was recorded then, or sent again, it is simply old."
    else:
        code = "stale"
    return Finding(code, says)


def _is_zone(away: float, exact: float, unit: int) -> bool:
    """Tell whether a time is off by what two time zones may differ."""
    rest = away % unit
    return _HOUR - exact <= away <= _LARGEST_ZONE + exact and min(rest, unit - rest) <= exact
