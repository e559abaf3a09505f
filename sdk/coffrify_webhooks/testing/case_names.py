"""The cases of a delivery: what the sender, the network or an attacker may do."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from coffrify_webhooks.errors import ConfigurationError, shown

__all__ = ["CASES", "Case", "Single", "checked_case"]

__tracebackhide__: bool = True
"""pytest shows the line of the test, not ours."""

Single: TypeAlias = Literal[
    "valid",
    "duplicate",
    "stale",
    "early",
    "forged",
    "unsigned",
    "tampered",
    "unknown_type",
    "unknown_field",
    "missing_field",
    "wrong_type",
    "unknown_value",
    "not_json",
    "too_large",
]
Case: TypeAlias = Single | Literal["concurrent"]
"""What happens to a delivery on its way; the page about testing has a table of them."""

CASES: tuple[Case, ...] = (*get_args(Single), "concurrent")


def checked_case(case: Case) -> Case:
    """Return a case there is; raise ConfigurationError for any other."""
    if case not in CASES:
        raise ConfigurationError(f"case={shown(case)}: choose one of {', '.join(CASES)}")
    return case
