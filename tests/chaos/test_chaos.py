"""Chaos in small: what `make chaos` does for longer."""

import pytest
from tests.chaos.chaos import STORES, Plan, run

TROUBLES = {
    "sqlite": ("suspended",),
    "sqlite-atomic": ("full",),
    "postgresql": ("without descriptors",),
    "mariadb": ("without tables",),
    "valkey": ("starved", "without tables"),
    "django": ("without tables", "starved"),
    "pgbouncer": ("suspended",),
    "sqlite-slow": (),
}
"""Each on some stores; `make chaos` has all on all."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Hundreds of events, killed workers, a killed database, a failover: every promise is kept.

    So too with a worker suspended beyond its lease, without threads, descriptors, free places for
    handlers, or tables.
    """
    small = store == "pgbouncer"
    plan = Plan(kills=4 if small else 8, outages=1, troubles=TROUBLES[store])
    outcome = run(store, 200 if small else 500, plan)
    with capsys.disabled():
        print(f"\n{store}\n{outcome}")
    assert outcome.broken == []
