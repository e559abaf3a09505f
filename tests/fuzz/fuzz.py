"""Fuzz the targets with coverage as the guide: `python -m tests.fuzz.fuzz --seconds 60 verify`.

Each target has a process of its own. What reaches new code is kept in .cache/fuzz, for the next
run; an input that breaks a promise stops its target, is named, and belongs into tests/fuzz/corpus.
"""

import argparse
import logging
import re
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
CACHE = Path(".cache", "fuzz")
NAMES = sorted(each.name for each in CORPUS.iterdir())
PACKAGES = ["coffrify_webhooks", "coffrify_webhooks_codegen", "coffrify_webhooks_sandbox"]


def fuzz_one(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris  # of `make fuzz` alone

    with atheris.instrument_imports(include=PACKAGES):
        from tests.fuzz.targets import TARGETS

    logging.getLogger("coffrify_webhooks").setLevel(logging.CRITICAL)
    found = CACHE / name
    found.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=6000"]
    artifacts = f"-artifact_prefix={CACHE / name}-"
    folders = [str(found), str(CORPUS / name)]
    atheris.Setup([name, *limits, artifacts, "-print_final_stats=1", *folders], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz each target in turn; print its executions and what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", choices=[*NAMES, []], metavar="TARGET")
    chosen = parser.parse_args()
    if chosen.one:
        fuzz_one(chosen.targets[0], chosen.seconds)
        return 0
    CACHE.mkdir(parents=True, exist_ok=True)
    broken = 0
    print(f"{'target':<12}{'executions':>12}{'coverage':>10}  result")
    for name in chosen.targets or NAMES:
        command = [sys.executable, "-m", "tests.fuzz.fuzz", "--one", "--seconds"]
        ran = subprocess.run(
            [*command, str(chosen.seconds), name], capture_output=True, text=True, check=False
        )
        log = CACHE / f"{name}.log"
        log.write_text(ran.stdout + ran.stderr)
        count = re.findall(r"number_of_executed_units: (\d+)", ran.stderr)
        covered = re.findall(r"cov: (\d+)", ran.stderr)
        failed = ran.returncode != 0
        broken += failed
        result = f"FAILED, see {log}" if failed else "nothing found"
        print(f"{name:<12}{(count or '?')[-1]:>12}{(covered or '?')[-1]:>10}  {result}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
