"""Run what proves the promises, and print one table: claim, figure, verdict.

Each step has a limit, and the limits of all are 142 minutes. The verdict is the exit code of a
command that can be run alone, with larger numbers: see `make help`. What they print goes to
`.cache/proof/`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LOGS = ROOT / ".cache" / "proof"
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "3", "--dist", "worksteal")


class Step(NamedTuple):
    """A claim, and the command that shows whether it holds."""

    name: str
    claim: str
    words: Sequence[str]
    """The command, after `python`."""
    figure: Callable[[str], str]
    """What to show of what it prints."""
    minutes: float
    """After which it is ended, and has failed."""
    environment: Sequence[str] = ()


class BrokenClaimError(Exception):
    """A figure that the claim does not allow, where the command does not judge."""


class Result(NamedTuple):
    """What came of a step."""

    figure: str
    verdict: str
    seconds: float


def _total(pattern: str, text: str) -> int:
    return sum(int(each) for each in re.findall(pattern, text, re.MULTILINE))


def _tests(text: str) -> str:
    passed, failed = _total(r"(\d+) passed", text), _total(r"(\d+) failed", text)
    return f"{passed:,} tests passed, {failed} failed"


def _executions(text: str) -> str:
    rows = re.findall(r"^\S+ +(\d+) +\d+  (.+)$", text, re.MULTILINE)
    found = sum(each != "nothing found" for _, each in rows)
    return (
        f"{sum(int(count) for count, _ in rows):,} executions, {found} of {len(rows)} targets broke"
    )


def _mutants(text: str) -> str:
    tried, killed, explained = (
        _total(rf"(\d+) {each}\b", text) for each in ("tried", "killed", "explained")
    )
    return f"{killed} of {tried} killed, {explained} explained in survivors.txt"


def _soak(text: str) -> str:
    kept, pairs = text.count("as promised:"), text.count("handled  rss")
    return f"{kept} of {pairs} pairs of server and store: nothing lost, nothing double, flat"


def _chaos(text: str) -> str:
    runs = len(re.findall(r"^[\w, -]+[,:] \d+ s$", text, re.MULTILINE))
    return f"{runs} run(s), {text.count('BROKEN:')} broken promise(s)"


def _speed(text: str) -> str:
    rows = {row["name"]: row["figure"] for row in json.loads(text)["rows"] if row["unit"] != "us"}
    ours, peer = rows["receive, memory"], rows["slack-bolt's dispatch"]
    figure = f"{ours:.1f} x json.loads and a call; slack-bolt's dispatch {peer:.1f} x"
    if ours > 1.1 * peer:
        raise BrokenClaimError(figure)
    return figure


STEPS = (
    Step(
        "test",
        "Every promise of the documentation has a test, and it passes",
        (*_PYTEST, "-m", "not long", "tests"),
        _tests,
        25,
    ),
    Step(
        "verdicts",
        "The fast ways of verifying and parsing decide as the strict ones, at full budgets",
        (
            *_PYTEST,
            "tests/test_usual_headers.py",
            "tests/test_signature.py",
            "tests/test_salvage.py",
        ),
        _tests,
        15,
        ("TEST_LONG=1",),
    ),
    Step(
        "fuzz",
        "No input breaks a parser, the generator, the doctor or the sandbox",
        ("-m", "tests.fuzz.fuzz", "--seconds", "30"),
        _executions,
        12,
    ),
    Step(
        "mutants",
        "A mistake in the core is noticed by a test",
        ("-m", "tests.mutants.mutants", "--minutes", "10"),
        _mutants,
        20,
    ),
    Step(
        "soak",
        "Memory, descriptors, connections and threads stay flat under mixed traffic with faults",
        ("-m", "tests.soak.soak", "--seconds", "60"),
        _soak,
        15,
    ),
    Step(
        "chaos",
        "Whatever is killed, stopped or filled up, an acknowledged event is handled",
        ("-m", "tests.chaos.chaos", "--events", "300", "--kills", "10"),
        _chaos,
        15,
    ),
    Step(
        "engines",
        "So it is on every engine",
        ("-m", "tests.chaos.engine_chaos", "--events", "200", "--kills", "3", "--stops", "1"),
        _chaos,
        15,
    ),
    Step(
        "order",
        "Events of one object are handled in order, whatever is killed",
        ("-m", "tests.chaos.order_chaos", "--events", "300", "--kills", "5"),
        _chaos,
        15,
    ),
    Step(
        "speed",
        "A delivery costs about what it does at the nearest peer, or less",
        ("benchmarks/stages.py", "--json"),
        _speed,
        10,
    ),
)


def run(step: Step) -> Result:
    """Run one step; what it prints goes to its log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{step.name}.log"
    began = time.monotonic()
    command = ["env", *step.environment, sys.executable, *step.words]
    with log.open("w", encoding="utf-8") as output:
        # Of its own group, whose workers and servers end with it.
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(step.minutes * 60)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            code = None
    text = log.read_text("utf-8", "replace")
    if code is None:
        return Result(f"not done in {step.minutes:g} min", "FAILED", time.monotonic() - began)
    try:
        figure = step.figure(text)
    except (ValueError, LookupError):
        figure, code = "no figure", code or 1
    except BrokenClaimError as error:
        figure, code = str(error), 1
    return Result(figure, "holds" if code == 0 else "FAILED", time.monotonic() - began)


def _end(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(names: Sequence[str], steps: Sequence[Step] = STEPS) -> int:
    """Run the steps that are named, else all; 1 if one failed."""
    unknown = set(names) - {each.name for each in steps}
    if unknown:
        print(f"no step {', '.join(sorted(unknown))}; there are", *(each.name for each in steps))
        return 2
    results: list[tuple[Step, Result]] = []
    for step in steps:
        if not names or step.name in names:
            print(f"{step.name} (up to {step.minutes:g} min) ...", end=" ", flush=True)
            result = run(step)
            print(f"{result.verdict}, {result.seconds:.0f} s: {result.figure}", flush=True)
            results.append((step, result))
    print("\n| Claim | Figure | Verdict |\n|---|---|---|")
    for step, result in results:
        print(f"| {step.claim} | {result.figure} | {result.verdict} |")
    failed = [step.name for step, result in results if result.verdict != "holds"]
    if failed:
        print("\nSee", *(f"{(LOGS / name).relative_to(ROOT)}.log" for name in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
