"""What parsing a signed body costs at worst: CPU beside `json.loads` of it, and memory.

Each case is a class and a body of up to 1 MiB that fits it badly, or well but in very many parts.
Beside it stands what pydantic alone takes for one look at the whole body: where that is over the
bound, no typed event of such a body is to be had for less. Fresh processes: one for the time, one
for the memory, one for pydantic, which is broken off after 20 seconds or at 3 GB. At last random
classes, with small bodies. Exits with 1 if a bound is missed.
"""

# ruff: noqa: PLR2004 - arguments of the command
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from resource import RLIMIT_AS, setrlimit

from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.signed_bodies import CASES, Classes
from tests.parsing.random_classes import case

from coffrify_webhooks.event import Event, UnknownEvent
from coffrify_webhooks.parsing.parse import parse

MOST_RATIO, MOST_MEGABYTES = 10, 100
FREE = 2.0
"""Milliseconds that any body may take beside that, so that a small one is typed as a whole."""
ROUNDS = 3
PATIENCE, ROOM = 20, 3 * 2**30
"""Seconds and bytes for pydantic alone."""
SEEDS, SMALL = range(20_000, 20_060), 3900


def kilobytes(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


def best_of(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Return the least milliseconds of CPU that each takes, called in turn."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for number, call in enumerate(calls):
            began = time.process_time_ns()
            call()
            least[number] = min(least[number], (time.process_time_ns() - began) / 1e6)
    return least


def look(event_class: type[Event], body: bytes) -> None:
    with suppress(ValidationError):
        event_class.__pydantic_validator__.validate_json(body)


def measure_small() -> None:
    """Print what small bodies of random classes cost: those above ten times `json.loads`."""
    found = []
    for seed in SEEDS:
        given = case(seed, SMALL)
        call = partial(parse, given.body, registry=given.registry)
        call()
        found.append(
            best_of(
                15,
                call,
                partial(look, given.event_class, given.body),
                partial(json.loads, given.body),
            )
        )
    ours = [ms / floor for ms, _, floor in found]
    alone = [ms / floor for _, ms, floor in found]
    print(sum(each > MOST_RATIO for each in ours), sum(each > MOST_RATIO for each in alone))
    print(max(ours), max(alone), max(ms - MOST_RATIO * floor for ms, _, floor in found))


def measure(name: str, what: str) -> None:
    """Print one figure; run in a process of its own."""
    body, registry = CASES[name](), Classes()
    for kind in ("transfer.created", "own", "even"):
        parse(b'{"type":"%s","data":{"id":1}}' % kind.encode(), registry=registry)
    if what == "memory":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = kilobytes("VmRSS")
        found = parse(body, registry=registry)
        print((kilobytes("VmHWM") - before) / 1024, len(found.issues), found.issues.more)
        return
    rounds = ROUNDS if len(body) > 100_000 else 100
    if what == "alone":
        setrlimit(RLIMIT_AS, (ROOM, ROOM))
        event_class = registry.get(json.loads(body)["type"]) or UnknownEvent
        alone, floor = best_of(rounds, lambda: look(event_class, body), lambda: json.loads(body))
        print(alone / floor)
        return
    floor, ours = best_of(rounds, lambda: json.loads(body), lambda: parse(body, registry=registry))
    print(ours / floor, ours, floor)


def alone_of(name: str) -> str:
    """Return how many times `json.loads` pydantic alone takes, in a process of its own."""
    command = [sys.executable, __file__, name, "alone"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        return f"> {PATIENCE} s"
    except subprocess.CalledProcessError:
        return "> 3 GB"
    return f"{float(run.stdout):.2f}"


def main() -> int:
    if sys.argv[1:] == ["small"]:
        measure_small()
        return 0
    if len(sys.argv) == 3:
        measure(*sys.argv[1:])
        return 0
    missed = 0
    print(f"{'':45}      x   ms (floor)   MB   issues   x of pydantic alone")
    for name in CASES:
        if len(sys.argv) == 2 and sys.argv[1] not in name:
            continue
        runs = [
            subprocess.run(
                [sys.executable, __file__, name, what], capture_output=True, text=True, check=False
            )
            for what in ("time", "memory")
        ]
        if any(run.returncode for run in runs):
            print(name, [run.stderr[-300:] for run in runs])
            missed += 1
            continue
        (ratio, ms, floor), (peak, listed, more) = (map(float, r.stdout.split()) for r in runs)
        bad = ms > MOST_RATIO * floor + FREE or peak > MOST_MEGABYTES
        missed += bad
        print(
            f"{name[:45]:45} {ratio:6.2f} {ms:5.0f} ({floor:5.1f}) {peak:5.0f} "
            f"{listed:5.0f} + {more:<6.0f} {alone_of(name):>7} {'MISSED' if bad else ''}",
            flush=True,
        )
    if len(sys.argv) == 1:
        run = subprocess.run(
            [sys.executable, __file__, "small"], capture_output=True, text=True, check=True
        )
        ours, alone, worst, worst_alone, beyond = map(float, run.stdout.split())
        missed += beyond > FREE
        print(
            f"of {len(SEEDS)} random bodies of {SMALL} bytes {ours:.0f} take more than "
            f"{MOST_RATIO} x ({worst:.1f} at most), and pydantic alone takes more for {alone:.0f} "
            f"({worst_alone:.1f}); beyond {MOST_RATIO} x {beyond:.2f} ms at most"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
