"""A short soak: mixed traffic with faults loses nothing and handles nothing twice."""

import pytest
from tests.budgets import budget
from tests.soak.figures import Figures
from tests.soak.soak import Outcome, soak


@pytest.mark.parametrize(("server", "store"), [("uvicorn", "memory"), ("gunicorn", "sqlite")])
def test_mixed_traffic_is_handled_once_and_leaves_nothing_open(server: str, store: str) -> None:
    """Memory is judged by the long form alone: seconds after the start it still settles."""
    seen: list[Figures] = []
    outcome = soak(server, store, budget(2, 60), lambda _, figures, __: seen.append(figures))
    assert outcome.handled
    assert outcome.faults(room=2) == []
    assert len(seen) == 10
    assert {each.rsplit(" ")[-1] for each in outcome.answers} <= {
        "0",
        "200",
        "400",
        "413",
        "500",
        "503",
    }


def test_growth_and_losses_are_told() -> None:
    early, late = Figures(1000, 10, 5, 4), Figures(1100, 40, 5, 4)
    outcome = Outcome(9, 1, 2, early, late, {})  # type: ignore[arg-type]
    assert outcome.faults() == [
        "1 lost",
        "2 double",
        "memory grew from 1000 to 1100 KiB",
        "descriptors grew from 10 to 40",
    ]
