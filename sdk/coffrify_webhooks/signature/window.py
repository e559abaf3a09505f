"""The time window: how far the signed time may be from now."""

from coffrify_webhooks.errors import (
    ConfigurationError,
    TimestampTooNew,
    TimestampTooOld,
    VerificationError,
    shown,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["TOLERANCE", "checked_tolerance", "is_timestamp", "window_error"]

TOLERANCE = 300
"""Seconds; the vendor's page: `now - timestamp < 300`."""
_LONGEST_TOLERANCE = 604_800
"""Seconds, a week: what a window lets through is remembered for 30 days and not for ever."""
_LONGEST_TIMESTAMP = 15
"""Digits; `int` of a long text is slow (CVE-2020-10735)."""
_MILLISECONDS = 100_000_000_000
"""Seconds ahead: no clock is off by 3000 years, and milliseconds read as seconds are."""
_HOUR = 3600
_FURTHEST_ZONES = 26 * _HOUR
"""Between the clocks of UTC+14 and UTC-12."""


def is_timestamp(text: str) -> bool:
    """Tell whether a text is a whole number in ASCII digits, as both schemes sign it.

    `int` would also take signs, blanks, underscores and the digits of other scripts.
    """
    return 0 < len(text) <= _LONGEST_TIMESTAMP and text.isascii() and text.isdigit()


def window_error(skew: float, tolerance: float) -> VerificationError | None:
    """Return None for a time within the window; else say how far off it is, and the likely cause.

    skew: seconds from the signed time to now.
    """
    if -tolerance <= skew < tolerance:
        return None
    if skew >= tolerance:
        return TimestampTooOld(
            f"signed {skew:.0f} s ago, and {tolerance:g} s are allowed: "
            "an old request sent again, or the clock of this machine is ahead"
        )
    if -skew > _MILLISECONDS:
        cause = "it looks like milliseconds, and seconds are expected"
    elif (
        _HOUR - tolerance < -skew < _FURTHEST_ZONES + tolerance
        and min(-skew % _HOUR, skew % _HOUR) < tolerance
    ):
        cause = "it is off by whole hours, so a time zone was mixed in"
    else:
        cause = "the clock of this machine is behind"
    return TimestampTooNew(
        f"signed {-skew:.0f} s in the future, and {tolerance:g} s are allowed: {cause}"
    )


def checked_tolerance(tolerance: "Any") -> float:
    number = isinstance(tolerance, (int, float)) and not isinstance(tolerance, bool)
    if not number or not 0 < tolerance <= _LONGEST_TOLERANCE:
        raise ConfigurationError(
            f"tolerance={shown(tolerance)}: give the seconds that a timestamp may be off, more "
            f"than 0 and at most {_LONGEST_TOLERANCE} (a week); the window cannot be switched off"
        )
    return float(tolerance)
