"""Engines under chaos, in small: what `make chaos` does for longer."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.budgets import budget
from tests.chaos.engine_chaos import ENGINES, LOSSY, Plan, environment_of, run, worker_command
from tests.servers.process import free_port

_REFUSED = {
    "dbos-sqlite": "needs a file",
    "celery": "worker_prefetch_multiplier is 4",
    "dramatiq": "maintenance_chance=200_000",
    "procrastinate": '"delete_jobs": "successful"',
}


def _but_some_long(engines: Iterable[str], *some: str) -> list[Any]:
    """Leave all other engines to `make test-long`: each has tests of the same in its own file."""
    return [pytest.param(name, marks=[] if name in some else pytest.mark.long) for name in engines]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", _but_some_long(ENGINES, "celery", "dbos-postgres"))
def test_nothing_is_lost(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Many events, two of five twice, everything killed: each acknowledged event is handled.

    With one worker suspended beyond its lease, and a moment in which no thread can be started.
    """
    outcome = run(engine, budget(60, 200), Plan(kills=budget(1, 3), stops=1, starved=1))
    with capsys.disabled():
        sys.stdout.write(f"\n{engine}\n{outcome}\n")
    assert outcome.broken == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", _but_some_long(LOSSY, "celery"))
def test_what_the_broker_forgets_is_dispatched_again(
    engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the broker itself has lost is late, and handled: a sweep dispatches it again."""
    outcome = run(engine, 80, Plan(kills=1, lossy=True))
    with capsys.disabled():
        sys.stdout.write(f"\n{engine}, lossy\n{outcome}\n")
    assert outcome.broken == []


@pytest.mark.long  # in short, the tests of each engine ask the same of its settings
@pytest.mark.parametrize("engine", _REFUSED)
def test_with_unsafe_defaults_no_worker_starts(engine: str, tmp_path: Path) -> None:
    """With settings under which events would be lost, no worker starts: the setting is named."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    environment = environment_of(tmp_path, engine, url)
    environment |= {"CHAOS_WORKER": "1", "CHAOS_DEFAULTS": "1"}
    said = subprocess.run(
        worker_command(engine),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode != 0
    assert _REFUSED[engine] in said.stdout + said.stderr
