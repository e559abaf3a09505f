"""Walking a payload by plans: what it has cost so far, and what was found off in it."""

from __future__ import annotations

from types import NoneType
from typing import Any, NamedTuple, TypeAlias, cast

from coffrify_webhooks.event import Issue, Issues
from coffrify_webhooks.text import plain

__all__ = ["KINDS", "At", "Plan", "Walk"]

KINDS: frozenset[type] = frozenset({dict, list, str, int, float, bool, NoneType})
"""The types that JSON has."""
_MOST_ISSUES = 100
"""Listed in `event.issues`; the others are counted."""
_DEEPEST = 64
"""Objects and lists inside one another; what is below is kept as received."""
_FIRST_STEPS = 10000
"""What a walk has to begin with; a step takes about a tenth of a microsecond."""
_MOST_SLOTS = 900_000
"""Attributes of all objects made: each takes about a hundred bytes at the most."""
_JUDGED = 10
"""Steps for each value that pydantic is asked about."""
_LARGEST_JUDGED = 200
"""Values in what pydantic is asked about at once."""
_EARN_EACH = 2
"""Steps that each part of a value earns, so that the cost stays in proportion to the payload."""
_LISTED = 8
"""Steps that keeping one misfit costs, in an attempt."""
_CHOICE, _ATTEMPT = 20, 25
"""Steps that choosing an alternative costs, and trying one."""
_MOST_NESTED = 3
"""Attempts within attempts; below them the first look decides."""
_MOST_KEYS = 16
"""In a path; of a deeper one the end is shown."""
_LONGEST_KEY = 60
"""Characters of a key in a path."""

At: TypeAlias = "tuple[At, str | int] | None"
"""A place in the payload: the place it is in, and the key or index there."""


class Plan:
    """Anything goes; the others narrow it."""

    exact: frozenset[type] = frozenset()
    """Values of these very types fit, and stay as they are."""
    kinds: frozenset[type] = KINDS
    """Values of other types cannot fit."""
    calls: bool = False
    """Whether judging a value may call functions of Python's."""
    alternatives: int = 1

    def take(self, value: Any, at: At, walk: Walk) -> Any:
        """Return what stands for a value; `walk` hears what does not fit."""
        del at, walk
        return value

    def problem(self, value: Any) -> str:
        """Say what is off with a value, as pydantic's error type."""
        del value
        return "value_error"

    def likeness(self, value: Any, walk: Walk) -> tuple[int, int]:
        """Tell how many parts of a value do not fit, and how many do, without going deeper."""
        del value, walk
        return 0, 0


class _SpentError(Exception):
    """An attempt at one alternative of a union costs more than attempts may."""


class Walk:
    """What one payload has cost so far, and what was found off in it."""

    def __init__(self) -> None:
        self.steps: int = _FIRST_STEPS
        self.slots: int = _MOST_SLOTS
        self.found: list[tuple[At, Plan | str, Any]] = []
        """Misfits: where each is, what is off or the plan that can tell, and the value."""
        self.is_full: bool = False
        """Whether as many misfits are kept as may be."""
        self.more: int = 0
        """Misfits beyond those kept."""
        self.given: int = 0
        """Fields of classes that were there, to compare the alternatives of a union by."""
        self._attempting = 0
        self.levels: int = _DEEPEST
        """How much deeper the walk may go."""

    def spend(self, steps: int) -> None:
        """Count steps; in an attempt at one of several alternatives they may run out."""
        self.steps -= steps
        if self._attempting and self.steps <= 0:
            raise _SpentError

    def enter(self, earned: int, steps: int, slots: int = 0) -> bool:
        """Count what a part of the payload is worth, and what it costs, if there is enough."""
        if not self._attempting:  # there it would count once for each alternative
            self.steps += earned
        if not self.levels:
            return False
        if self.steps < steps or self.slots < slots:
            if self._attempting:
                raise _SpentError
            self.steps = 0  # so that what is left is not even begun
            return False
        self.steps -= steps
        self.slots -= slots
        return True

    def rest(self, values: Any, at: At) -> Any:
        """Keep the values that are left of a list or an object, since all steps are spent."""
        self.note(at, "not_checked")
        self.more += len(values) - 1
        return values

    def may_judge(self, value: Any) -> bool:
        """Tell whether pydantic may be asked about a whole value: it is small, and steps are left.

        What pydantic does with it may cost any number of times its size; the bound is on that.
        """
        if not isinstance(value, (dict, list)):
            return self.enter(0, _JUDGED)
        size = 0
        todo: list[Any] = [value]
        while todo:
            each = todo.pop()
            size += 1
            if isinstance(each, dict):
                members: dict[str, Any] = cast("Any", each)
                todo += members.values()
            elif isinstance(each, list):
                todo += cast("Any", each)
            if size + len(todo) > _LARGEST_JUDGED:
                self.spend(size)
                return False
        return self.enter(0, _JUDGED * size)

    def misfit(self, plan: Plan, value: Any, at: At) -> Any:
        """Note that a value does not fit, and keep it."""
        self._keep(at, plan, value)
        return value

    def note(self, at: At, problem: str) -> None:
        """Note that something is off."""
        self._keep(at, problem, None)

    def listed(self) -> Issues:
        """Name what was found off; not before somebody looks, for it takes the longest."""
        return Issues(
            (
                Issue(_path(at), told if isinstance(told, str) else told.problem(value))
                for at, told, value in self.found
            ),
            self.more,
        )

    def _keep(self, at: At, told: Plan | str, value: Any) -> None:
        if len(self.found) < _MOST_ISSUES:
            self.found.append((at, told, value))
            self.is_full = len(self.found) >= _MOST_ISSUES
            if self._attempting:
                self.spend(_LISTED)
        else:
            self.more += 1
            self.spend(1)

    def skip(self, value: Any, at: At) -> Any:
        """Keep a value unseen, because looking would cost too much."""
        self.note(at, "not_checked")
        return value

    def choose(self, plans: list[Plan], value: Any, at: At) -> Any:
        """Take a value by that alternative of a union which fits best.

        Those that fit as far as can be seen without going deeper are tried in turn, while there
        are steps for it: the one with the fewest misfits, then the most fields, has it.
        """
        parts = len(value)
        if not self.enter(_EARN_EACH * parts, _CHOICE):
            return self.skip(value, at)
        seen = [(plan.likeness(value, self), plan) for plan in plans]
        least = min(misfits for (misfits, _), _ in seen)
        likely = [plan for (misfits, _), plan in seen if misfits == least]
        best: _Attempt | None = None
        if len(likely) > 1 and parts:
            for plan in likely:
                attempt = self._attempt(plan, value, at)
                if attempt is None:
                    best = None
                    break
                if best is None or attempt.rank < best.rank:
                    best = attempt
        if best is not None:
            self.found += best.found
            self.is_full = len(self.found) >= _MOST_ISSUES
            self.more += best.more
            self.given += best.given
            self.slots -= best.slots
            return best.made
        (_, _), plan = min(seen, key=lambda each: (each[0][0], -each[0][1]))
        return plan.take(value, at, self)

    def _attempt(self, plan: Plan, value: Any, at: At) -> _Attempt | None:
        """Take a value as if by this alternative alone; None if that costs too much."""
        if self._attempting >= _MOST_NESTED or self.steps <= 2 * _ATTEMPT:
            return None
        self.steps -= _ATTEMPT
        listed, levels = len(self.found), self.levels
        more, given, slots, steps = self.more, self.given, self.slots, self.steps
        limit = self.steps = steps // 2
        self._attempting += 1
        try:
            made = plan.take(value, at, self)
            return _Attempt(
                made,
                self.found[listed:],
                self.more - more,
                self.given - given,
                slots - self.slots,
            )
        except _SpentError:
            return None
        finally:
            self._attempting -= 1
            self.steps += steps - limit
            self.more, self.given, self.slots, self.levels = more, given, slots, levels
            del self.found[listed:]
            self.is_full = len(self.found) >= _MOST_ISSUES


class _Attempt(NamedTuple):
    made: Any
    found: list[tuple[At, Plan | str, Any]]
    more: int
    given: int
    slots: int

    @property
    def rank(self) -> tuple[int, int]:
        return len(self.found) + self.more, -self.given


def _path(at: At) -> str:
    """Spell a place; of a very deep or long one the end."""
    keys: list[str] = []
    while at is not None:
        if len(keys) == _MOST_KEYS:
            keys.append("..")
            break
        at, key = at
        keys.append(_key(key))
    return ".".join(reversed(keys))


def _key(key: str | int) -> str:
    if isinstance(key, int):
        return str(key)
    return key if len(key) <= _LONGEST_KEY and key.isprintable() else plain(key, _LONGEST_KEY)
