"""Chaos in small: what `make chaos` does for longer."""

from typing import Any

import pytest
from tests.budgets import budget
from tests.chaos.chaos import STORES, Plan, run

TROUBLES = {
    "sqlite": ("suspended",),
    "sqlite-atomic": ("full",),
    "postgresql": ("without descriptors",),
    "mariadb": ("without tables",),
    "valkey": ("starved", "without tables"),
    "django": ("without tables", "starved"),
    "pgbouncer": ("suspended", "without descriptors"),
    "sqlite-slow": (),
}
"""Each on some stores; `make chaos` has all on all."""


def _each_kind() -> list[Any]:
    """Leave to `make test-long` what another has too.

    Django's store runs the statements of the others, and behind the pooler is PostgreSQL.
    """
    return [
        pytest.param(each, marks=pytest.mark.long if each in ("django", "postgresql") else [])
        for each in STORES
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", _each_kind())
def test_nothing_is_lost(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Many events, killed workers, a killed database, a failover: every promise is kept.

    So too with a worker suspended beyond its lease, without threads, descriptors, free places for
    handlers, or tables.
    """
    if store == "pgbouncer":
        events, kills = budget(100, 200), budget(2, 4)
    elif store == "sqlite-slow":  # which divides both
        events, kills = budget(200, 500), budget(4, 8)
    else:
        events, kills = budget(120, 500), budget(2, 8)
    outcome = run(store, events, Plan(kills, outages=1, troubles=TROUBLES[store]))
    with capsys.disabled():
        print(f"\n{store}\n{outcome}")
    assert outcome.broken == []
