"""What has arrived so far: one cell per case and server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .cases import Case

__all__ = ["Board", "Cell"]


@dataclass
class Cell:
    """The result of one case at one server."""

    case: Case
    outcomes: list[str] = field(default_factory=list[str])

    @property
    def wrong(self) -> list[str]:
        """The outcomes that were not promised."""
        return [text for text in self.outcomes if text != self.case.promise]

    @property
    def complete(self) -> bool:
        """Whether all expected outcomes have arrived."""
        return len(self.outcomes) == self.case.times

    @property
    def is_as_promised(self) -> bool:
        """Whether the promise was kept, to the last delivery."""
        return self.complete and not self.wrong

    def __str__(self) -> str:
        if self.wrong:
            return f"{_short(self.wrong[0])} (!)"
        if self.complete:
            return _short(self.case.promise)
        return f"{len(self.outcomes)} of {self.case.times}" if self.outcomes else "-"


class Board:
    """Every cell, and the last output of the servers."""

    def __init__(self, cases: Sequence[Case], servers: Sequence[str]) -> None:
        self.servers: list[str] = list(servers)
        self.rows: dict[Case, dict[str, Cell]] = {
            case: {name: Cell(case) for name in servers} for case in cases
        }
        self.ended: dict[str, str] = {}
        """The servers of which no more outcomes will arrive, and their last output."""

    @property
    def is_as_promised(self) -> bool:
        """Whether every promise was kept."""
        return all(cell.is_as_promised for cells in self.rows.values() for cell in cells.values())

    def put(self, case: Case, server: str, outcome: str) -> None:
        """Record a result."""
        self.rows[case][server].outcomes.append(outcome)

    def end(self, server: str, instead: str) -> None:
        """Record that no more outcomes of a server will arrive."""
        self.ended[server] = instead

    def end_all(self) -> None:
        """Record that no more outcomes will arrive at all."""
        self.ended = dict.fromkeys(self.servers, "nothing") | self.ended

    def is_settled(self, case: Case) -> bool:
        """Tell whether no more outcomes of a row will arrive."""
        return all(c.complete or name in self.ended for name, c in self.rows[case].items())

    def broken(self, server: str) -> Iterator[str]:
        """Yield, a line each, the promises that a server did not keep."""
        for case, cells in self.rows.items():
            cell = cells[server]
            for outcome in dict.fromkeys(cell.wrong):
                yield f"{case.name}: promised {case.promise}, got {outcome}"
            if not cell.complete:
                yield f"{case.name}: promised {case.promise}, got {self.ended.get(server)}"
                return  # so the rest has no outcome


def _short(outcome: str) -> str:
    """Leave the reason out: `400 rejected (signature_mismatch)` is `400 rejected`."""
    return outcome.partition(" (")[0]
