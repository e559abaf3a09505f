"""What the benchmarks share: deliveries to send, cases that take turns, and a table or JSON."""

import json
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pydantic

from coffrify_webhooks import sign

SECRET = "whsec_" + "5a" * 32
AROUND = {
    "Host": "a.example",
    "User-Agent": "Coffrify-Webhooks/1.0",
    "Accept": "*/*",
    "Content-Type": "application/json",
    "X-Request-Id": "1234",
    "X-Forwarded-For": "10.0.0.1",
}
Delivery = tuple[bytes, dict[str, str]]


def body_of(number: int) -> bytes:
    """Return an event of 1.6 KB."""
    moment = "2026-11-27T10:00:00Z"
    file = {"transfer_id": "tr_1", "size": 123456, "mime_type": "application/pdf"}
    files = [{"id": f"f_{k}", "name": f"document number {k}.pdf", **file} for k in range(8)]
    data = {"id": "tr_1", "title": "Contracts", "created_at": moment, "expires_at": moment}
    return json.dumps(
        {
            "id": f"evt_{number:012d}",
            "type": "transfer.created",
            "occurred_at": moment,
            "data": {**data, "files": files, "share_url": "https://example.com/s/abcdef"},
        }
    ).encode()


def deliveries(count: int, start: int = 0) -> Iterator[Delivery]:
    """Yield signed deliveries with ten headers, each of an event of its own."""
    for number in range(start, start + count):
        body = body_of(number)
        signed = sign(body, SECRET, id=f"evt_{number:012d}")
        yield body, {**AROUND, "Content-Length": str(len(body)), **signed}


def take_turns(
    cases: Mapping[str, Callable[[], object]], *, rounds: int = 60, seconds: float = 0.002
) -> dict[str, float]:
    """Return the median CPU time of a call of each case, in us; the cases take turns."""
    calls = {name: _calls(case, seconds) for name, case in cases.items()}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            started = time.process_time()
            for _ in range(calls[name]):
                case()
            times[name].append((time.process_time() - started) / calls[name])
    return {name: statistics.median(each) * 1e6 for name, each in times.items()}


def _calls(case: Callable[[], object], seconds: float) -> int:
    case()  # the first call imports and compiles, and would make all rounds too short
    calls = 1
    while True:
        started = time.process_time()
        for _ in range(calls):
            case()
        if time.process_time() - started > seconds:
            return calls
        calls *= 2


async def side_by_side(
    bare: Callable[[Delivery], Awaitable[object]],
    ours: Callable[[Delivery], Awaitable[object]],
    *,
    rounds: int = 25,
    calls: int = 100,
) -> tuple[float, float]:
    """Return how many times the bare case's CPU time ours takes, and its us; ids are fresh."""
    source = deliveries(calls * (rounds + 1))
    ratios, times = list[float](), list[float]()
    for number in range(rounds + 1):
        some = [next(source) for _ in range(calls)]
        spent = list[float]()
        for case in (bare, ours):
            started = time.process_time()
            for each in some:
                await case(each)
            spent.append(time.process_time() - started)
        if number:  # the first is to warm up
            ratios.append(spent[1] / spent[0])
            times.append(spent[1] / calls * 1e6)
    return statistics.median(ratios), statistics.median(times)


class Table:
    """Rows of a name, a figure, its unit and the target; printed as they come, or as JSON."""

    def __init__(self, title: str) -> None:
        self._json = "--json" in sys.argv[1:]
        self._title = title
        self._rows = list[dict[str, Any]]()
        if not self._json:
            print(f"{title}; {self._where}")

    @property
    def _where(self) -> str:
        machine = f"{platform.python_implementation()} {platform.python_version()}"
        return f"{machine}, pydantic {pydantic.VERSION}, {platform.machine()}"

    def row(self, name: str, figure: float, unit: str, target: float | None = None) -> None:
        """Add a row; target: the figure at most, as docs/performance.md states it."""
        self._rows.append({"name": name, "figure": figure, "unit": unit, "target": target})
        if not self._json:
            aim = "" if target is None else f"   target {target:g}"
            print(f"{name:52} {figure:9.2f} {unit}{aim}", flush=True)

    def end(self) -> None:
        """Print the JSON, if that is wanted."""
        if self._json:
            print(json.dumps({"title": self._title, "where": self._where, "rows": self._rows}))
