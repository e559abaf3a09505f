"""Writes the reference of notices and metrics: `python docs/notices_reference.py`."""

import inspect
import logging
import re
from pathlib import Path
from typing import get_args

from coffrify_webhooks import observe
from coffrify_webhooks.observe import OPERATIONS, Kind, Notice
from coffrify_webhooks.otel.metrics import METRICS, Metric

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).with_name("notices.md")

_BEGIN = "<!-- reference: written by docs/notices_reference.py, do not edit -->\n"
_COUNTERS = ("coffrify_webhooks.deliveries", "coffrify_webhooks.attempts")


def page(text: str) -> str:
    """Return the page `text` with its reference renewed: facts, operations, metrics."""
    before, _, _ = text.partition(_BEGIN)
    facts = "".join(_fact(kind) for kind in get_args(Kind) if kind not in OPERATIONS)
    operations = "".join(f"| `{each}` | {_said(each)} |\n" for each in OPERATIONS)
    metrics = "".join(_metric(each) for each in METRICS)
    return (
        f"{before}{_BEGIN}\n"
        "## Facts\n\nEach is told once, to observers and to the log. A fact about an error has the "
        "level of the error:\nWARNING below status 500, else ERROR. `replied` is INFO where "
        "`handler_failed` or `overloaded` has told of it.\n\n"
        f"| `notice.kind` | When | Level |\n|---|---|---|\n{facts}\n"
        "## Operations\n\nEach is told when it starts and when it ends, to observers alone: see "
        "[Operations](monitoring.md#operations).\n\n"
        f"| Operation | What it is |\n|---|---|\n{operations}\n"
        "## Metrics\n\nOf [`coffrify_webhooks.otel`](monitoring.md#opentelemetry). Each has the "
        "receiver's name as `messaging.destination.name`.\n\n"
        "| Metric | In Prometheus | What it is | Other labels |\n|---|---|---|---|\n"
        f"{metrics}"
    )


def _fact(kind: Kind) -> str:
    level = logging.getLevelName(Notice(kind, "default", "").level)
    return f"| `{kind}` | {_said(kind)} | {level} |\n"


def _said(kind: str) -> str:
    """Return what the comment beside a kind says, or the one beside the operation."""
    found = re.search(rf'^    "{kind}",  # (.+)$', inspect.getsource(observe), re.MULTILINE)
    if found is None:
        raise LookupError(f"observe.py has no comment that says what {kind} is")
    return found[1][0].upper() + found[1][1:]


def _metric(metric: Metric) -> str:
    name = metric.name.replace(".", "_")
    if metric.unit == "s":
        name += "_seconds"
    elif metric.name in _COUNTERS:
        name += "_total"
    labels = ", ".join(f"`{each}`" for each in metric.labels)
    return f"| `{metric.name}` | `{name}` | {metric.description} | {labels} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
