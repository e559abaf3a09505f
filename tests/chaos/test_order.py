"""Order under chaos, in small: what `make chaos` does for longer."""

from typing import Any

import pytest
from tests.budgets import budget
from tests.chaos.journal import Line
from tests.chaos.order_chaos import PLACES, checked, run


def _each_place() -> list[Any]:
    """Leave to `make test-long` what takes longer to start than to run."""
    short = ("sqlite", "valkey")
    return [pytest.param(each, marks=[] if each in short else pytest.mark.long) for each in PLACES]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", _each_place())
def test_order_survives_kills(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Out of order, twice, by four processes that are killed: no object goes backwards."""
    outcome = run(place, budget(80, 600), budget(8, 30), budget(2, 8))
    with capsys.disabled():
        print(f"\n{place}\n{outcome}")
    assert outcome.broken == []


def lines(*texts: str) -> list[Line]:
    return [Line(*text.split(" ")) for text in texts]


SERIAL = lines(*(f"{what} o0:{v} serial 1-{v}" for v in (0, 1) for what in ("begin", "end")))
RIGHT = lines("begin o0:1 latest 1-1", "end o0:1 latest 1-1")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (RIGHT, ""),
        (lines("begin o0:0 latest 1-0", "raise o0:0 latest 1-0") + RIGHT, ""),
        (lines("begin o0:1 latest 1-0", "killed - - 1-0") + RIGHT, ""),
        (lines("begin o0:1 latest 1-0", "raise o0:1 latest 1-0", "begin o0:0 latest 1-1"), "ended"),
        (RIGHT + lines("begin o0:0 latest 1-2"), "ran backwards, from 1 to 0"),
        (
            lines("begin o0:1 latest 2-0", "killed - - 2-0", "begin o0:0 latest 1-1"),
            "ran backwards, from 1 to 0",
        ),
        (lines("begin o0:0 latest 1-0", "begin o0:1 latest 1-1"), "ran twice at once"),
        (lines("begin o0:0 latest 1-0", "end o0:0 latest 1-0"), "ended with 0 of o0, not with 1"),
    ],
)
def test_the_journal_shows_what_was_broken(found: list[Line], expected: str) -> None:
    """The check finds what it is there for."""
    broken = checked([*SERIAL, *found], 2, 1).broken
    assert bool(broken) is bool(expected)
    assert expected in " ".join(broken)
