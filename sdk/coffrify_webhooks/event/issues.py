"""Where a payload does not fit its event class, listed when somebody looks."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

__all__ = ["NO_ISSUES", "Issue", "Issues", "Unlisted"]


class Issue(NamedTuple):
    """One place where a payload does not fit its event class."""

    path: str
    """Where, from the top of the body: `data.files.0.size`."""
    problem: str
    """What is wrong, as pydantic's error type: `missing`, `string_type`, ...; or `not_checked`."""


class Issues(tuple[Issue, ...]):  # noqa: SLOT001 - a tuple takes none that hold anything
    """Where a payload does not fit its event class: the first hundred places."""

    more: int
    """How many places beyond these do not fit, or were not checked because there are too many."""

    def __new__(cls, issues: Iterable[Issue] = (), more: int = 0) -> Self:
        """Make a tuple of `issues` that knows of `more`."""
        made = super().__new__(cls, issues)
        made.more = more
        return made


NO_ISSUES = Issues()


class Unlisted(NamedTuple):
    """Issues that nobody has looked at: to name them takes ten times as long as to find them."""

    total: int
    """How many there are, those beyond the first hundred among them."""
    to_list: Callable[[], Issues]
