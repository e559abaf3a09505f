"""The table of proofs: what holds, what fails, and what does not end."""

import json
import re
from pathlib import Path

import pytest
from tests.proof import proof
from tests.proof.proof import STEPS, BrokenClaimError, Step, main


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(proof, "ROOT", tmp_path)
    monkeypatch.setattr(proof, "LOGS", tmp_path / "logs")
    return tmp_path / "logs"


def step(name: str, code: str, minutes: float = 1.0) -> Step:
    return Step(name, f"claim of {name}", ("-S", "-c", code), lambda text: text.split()[0], minutes)


def test_a_table_tells_what_holds_and_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """By the exit code alone; a step that prints no figure, or does not end, has failed."""
    code = main(
        [],
        [
            step("good", "print(12)"),
            step("bad", "print(13); raise SystemExit(1)"),
            step("silent", ""),
            step("endless", "import time; print(14, flush=True); time.sleep(600)", 0.005),
        ],
    )
    assert code == 1
    table = capsys.readouterr().out.partition("|---|---|---|\n")[2].splitlines()
    assert table == [
        "| claim of good | 12 | holds |",
        "| claim of bad | 13 | FAILED |",
        "| claim of silent | no figure | FAILED |",
        "| claim of endless | not done in 0.005 min | FAILED |",
        "",
        "See logs/bad.log logs/silent.log logs/endless.log",
    ]


def test_one_step_is_run_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [step("one", "print(1)"), step("other", "print(2)")]
    assert main(["other"], steps) == 0
    assert "claim of one" not in capsys.readouterr().out
    assert main(["third"], steps) == 2
    assert "there are one other" in capsys.readouterr().out


FUZZED = """target  executions  coverage  result
headers       1200       34  nothing found
parse          300       40  FAILED, see x
"""
MUTATED = """http: 5 tried, 4 killed, 1 explained, of 90 mutants
parsing: 7 tried, 7 killed, 0 explained, of 80 mutants
"""
FIGURES = {
    "test": ("10 passed, 1 failed in 3 s", "10 tests passed, 1 failed"),
    "fuzz": (FUZZED, "1,500 executions, 1 of 2 targets broke"),
    "mutants": (MUTATED, "11 of 12 killed, 1 explained in survivors.txt"),
    "chaos": (
        "sqlite, 12 s\n  300  events\n\nvalkey, 9 s\nBROKEN: one\n",
        "2 run(s), 1 broken promise(s)",
    ),
    "order": ("sqlite: 12 s\n  300  events\n", "1 run(s), 0 broken promise(s)"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_read_from_what_a_command_prints(name: str) -> None:
    printed, figure = FIGURES[name]
    [found] = [each for each in STEPS if each.name == name]
    assert found.figure(printed) == figure


def test_a_peer_that_is_faster_breaks_the_claim() -> None:
    """The benchmark itself judges nothing."""
    [speed] = [each for each in STEPS if each.name == "speed"]

    def printed(ours: float, peer: float) -> str:
        rows = [
            {"name": "receive, memory", "figure": ours, "unit": "x json.loads and a call"},
            {"name": "receive, memory", "figure": 70.0, "unit": "us"},
            {"name": "slack-bolt's dispatch", "figure": peer, "unit": "x json.loads and a call"},
        ]
        return json.dumps({"rows": rows})

    assert speed.figure(printed(9.44, 10.8)).startswith("9.4 x")
    with pytest.raises(BrokenClaimError, match=r"^12\.0 x"):
        speed.figure(printed(12, 10.8))


def test_every_command_of_a_step_is_there() -> None:
    """And the whole has a bound: the sum of the limits."""
    root = Path(proof.__file__).parents[2]
    for each in STEPS:
        named = [word for word in each.words if re.match(r"tests\b|benchmarks\b", word)]
        assert named
        for word in named:
            assert (root / word).exists() or (root / f"{word.replace('.', '/')}.py").is_file()
    assert sum(each.minutes for each in STEPS) <= 150
