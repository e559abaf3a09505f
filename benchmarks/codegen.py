"""What generating costs, and what importing a large generated package costs, as ratios."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.package import write

ROUNDS = 7


def catalog(size: int) -> dict[str, Any]:
    """Repeat the bundled events under other names, each with a field of its own."""
    bundled = load().events
    data: list[dict[str, Any]] = []
    for number in range(size):
        event = bundled[number % len(bundled)]
        schema: dict[str, Any] = json.loads(json.dumps(event.schema))
        schema.setdefault("properties", {})[f"field_{number}"] = {"type": "string"}
        data.append({"type": f"{event.family}.made_{number}", "schema": schema})
    return {"data": data}


def cpu(folder: Path, code: str, *, compiled: bool) -> float:
    """Return the least CPU time of running some code in a fresh interpreter."""
    timed = (
        "import sys, time; import pydantic, coffrify_webhooks.event; "
        f"sys.path.insert(0, {str(folder)!r}); t = time.process_time(); {code}; "
        "print(time.process_time() - t)"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "" if compiled else "1"}
    command = [sys.executable, "-c", timed]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for _ in range(ROUNDS)
    ]
    return min(float(run.stdout) for run in runs)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        write(load(catalog(500)), folder / "made_500")
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"500 events generated: {seconds:.1f} s (at most 30), {peak:.0f} MB (at most 300)")
        write(load(catalog(1000)), folder / "made_1000")
        write(load(catalog(43)), folder / "made_43")
        eager = "import made_43 as p; [getattr(p, c) for _, c in p.EVENTS.values()]"
        for compiled, how in ((False, "without .pyc files"), (True, "with them")):
            floor = cpu(folder, eager, compiled=compiled)
            lazy = cpu(folder, "import made_1000", compiled=compiled)
            print(f"import of 1000 types, {how}: {lazy / floor:.2f} x 43 eager classes")


if __name__ == "__main__":
    main()
