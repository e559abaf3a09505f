"""A lock that no signal can leave locked."""

import weakref
from queue import SimpleQueue

__all__ = ["Turn", "one_turn"]


class Turn:
    """The right to use a store's connection; it goes back however its holder comes to an end.

    A lock would stay locked if a signal raises between its `acquire` and a `try`. What is got from
    a queue and held by nobody is freed at once, and `__del__` puts another in its place.
    """

    __slots__ = ("_turns",)

    def __init__(self, turns: "SimpleQueue[Turn]") -> None:
        self._turns = weakref.ref(turns)

    def __del__(self) -> None:
        turns = self._turns()
        if turns is not None:
            turns.put(Turn(turns))


def one_turn() -> "SimpleQueue[Turn]":
    turns: SimpleQueue[Turn] = SimpleQueue()
    turns.put(Turn(turns))
    return turns
