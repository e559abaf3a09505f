"""Run the tests of a room against its mutants: `python -m tests.mutants.mutants signature`.

A mutant that no test notices survives; it is printed, and must be killed by a test or explained in
survivors.txt. Each mutant has a forked process, which runs the room's tests until the first fails.
"""

import argparse
import importlib
import importlib.abc
import importlib.machinery
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

from tests.mutants.mutation import Mutant, mutants_of, mutate

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sdk" / "coffrify_webhooks"
SURVIVORS = Path(__file__).with_name("survivors.txt")
TESTS: dict[str, list[str]] = {
    "signature": [
        *("test_signature.py", "test_timestamps.py", "test_usual_headers.py", "test_secrets.py"),
        *("test_crash_reports.py", "test_leaks.py"),
    ],
    "parsing": ["test_parsing.py", "test_salvage.py", "parsing", "test_leaks.py"],
    "http": [
        *("test_url_path.py", "adapters/test_starlette.py", "adapters/test_flask.py"),
        "adapters/test_health.py",
    ],
    "pipeline": [
        *("test_receiver.py", "test_handlers.py", "test_retries.py", "test_operations.py"),
        *("test_dispatch.py", "test_capture.py", "test_order.py"),
    ],
}
"""By room; the quickest first."""
_PRELOADED = (
    "pytest",
    "hypothesis",
    "pydantic",
    "anyio",
    "starlette.testclient",
    "flask",
    "sqlite3",
)
_OPTIONS = [
    *("-x", "-q", "-pno:cacheprovider", "-m", "not long"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),  # the preloaded
]


class _Mutating(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with its mistake."""

    def __init__(self, path: Path, number: int) -> None:
        self.path, self.number = path, number
        self.name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=str(self.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.path)
        tree = mutate(self.path.read_text("utf-8"), self.number)
        exec(compile(tree, str(self.path), "exec", dont_inherit=True), module.__dict__)


def is_killed(path: Path, mutant: Mutant, tests: list[str], seconds: float) -> bool:
    """Tell whether the tests fail, or take far longer, with a mutant."""
    child = os.fork()
    if child == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(null, each)
        code = 1
        try:
            import pytest

            mutating = _Mutating(path, mutant.number)
            sys.meta_path.insert(0, mutating)
            # Now: the import hook of pytest would load it from its file, as part of a plugin.
            importlib.import_module(mutating.name)
            code = int(pytest.main([*_OPTIONS, *tests]))
        finally:
            os._exit(code)
    give_up = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        if time.monotonic() > give_up:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return True
        time.sleep(0.05)


def explained() -> dict[str, str]:
    """Return the reason for each survivor by `file: mutant`."""
    lines = SURVIVORS.read_text("utf-8").splitlines()
    pairs = (line.split("  # ", 1) for line in lines if line and not line.startswith("#"))
    return {mutant.strip(): reason for mutant, reason in pairs}


def main() -> int:
    """Try mutants of the rooms that are named; 1 if one survives without an explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(TESTS))
    parser.add_argument("--minutes", type=float, default=30, help="for all; at random within them")
    parser.add_argument("--file", help="only this file of the room")
    chosen = parser.parse_args()
    for name in _PRELOADED:
        importlib.import_module(name)
    give_up = time.monotonic() + chosen.minutes * 60
    known, count = explained(), Counter[str]()
    rooms = chosen.rooms or list(TESTS)
    for done, room in enumerate(rooms):
        tests = [str(ROOT / "tests" / each) for each in TESTS[room]]
        files = sorted((PACKAGE / room).glob(chosen.file or "*.py"))
        found = [(path, each) for path in files for each in mutants_of(path.read_text("utf-8"))]
        random.Random(room).shuffle(found)
        began = time.monotonic()
        if is_killed(files[0], Mutant(-1, "", 0), tests, 600):
            print(f"{room}: its tests fail as they are")
            return 2
        usual = time.monotonic() - began
        until = began + (give_up - began) / (len(rooms) - done)
        for path, mutant in found:
            if time.monotonic() > until:
                break
            count[f"{room} tried"] += 1
            name = f"{room}/{path.name}: {mutant.text}"
            if is_killed(path, mutant, tests, 30 + 5 * usual):
                count[f"{room} killed"] += 1
            elif name in known:
                count[f"{room} explained"] += 1
            else:
                count["unexplained"] += 1
                print(f"survived, at line {mutant.line}: {name}", flush=True)
        parts = [f"{count[f'{room} {each}']} {each}" for each in ("tried", "killed", "explained")]
        print(f"{room}: {', '.join(parts)}, of {len(found)} mutants", flush=True)
    return 1 if count["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
