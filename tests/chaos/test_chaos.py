"""Chaos in small: what `make chaos` does for longer."""

import pytest
from tests.chaos.chaos import STORES, run


@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", STORES)
def test_nothing_is_lost(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """500 events, killed workers, a killed database, a failover: every promise is kept."""
    small = store == "pgbouncer"
    outcome = run(store, events=200 if small else 500, kills=4 if small else 8, outages=1)
    with capsys.disabled():
        print(f"\n{store}\n{outcome}")
    assert outcome.broken == []
