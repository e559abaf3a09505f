"""What `check_handlers` has found: for each handler, what it was given and what broke it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

__all__ = ["Checked", "Finding", "Report"]

_MOST_BODY = 2000
_WORDS = {
    "valid": "on a body that fits its schema",
    "optional": "where {path} is absent, empty or null, as the schema allows",
    "unknown_field": "on a field that the catalog does not have, {path}",
    "missing_field": "without {path}, which is required",
    "null": "where {path} is null",
    "wrong_type": "where {path} is of another type",
    "unknown_value": "on a value of {path} that the catalog does not have",
    "second_run": "when the same event runs a second time",
    "slow": "too slowly: the sender gives up first, and sends the event again",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a handler fails."""

    handler: str
    """Its stable name."""
    file: str
    line: int
    kind: str
    """valid, optional, unknown_field, missing_field, null, wrong_type, unknown_value: the body;
    second_run: the event ran before; slow: it took longer than the sender waits."""
    path: str
    """The place in the body that is bent: `data.files.0.size`; empty if none is."""
    event_type: str
    body: bytes
    """The smallest body with which it fails in this way; it is made up."""
    error: BaseException | None
    """What the handler raised, with its traceback; None if it was slow."""

    def __str__(self) -> str:
        """Return the finding on a few lines."""
        what = _WORDS[self.kind].format(path=self.path)
        lines = [f"{self.handler} fails {what}"]
        if self.error is not None:
            lines.append(f"  {type(self.error).__name__}: {self.error}")
            lines += [f"  at {place}" for place in [_raised_at(self)] if place]
            if _lacks_table(self.error):
                lines.append("  the database lacks a table: run your migrations before the check")
        lines.append(f"  {self.body.decode('utf-8', 'replace')[:_MOST_BODY]}")
        return "\n".join(lines)


def _lacks_table(error: BaseException) -> bool:
    """Tell an error of a database in which nothing was migrated, by whichever driver."""
    if type(error).__name__ not in ("OperationalError", "ProgrammingError", "UndefinedTable"):
        return False
    text = str(error)
    return "no such table" in text or "does not exist" in text or "doesn't exist" in text


@dataclass(frozen=True, slots=True)
class Checked:
    """One handler, and how much it was given."""

    handler: str
    file: str
    line: int
    event_types: tuple[str, ...]
    events: int
    """How many events it was run with, second runs included."""
    slowest: float
    """Seconds that the longest run took."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, and what was found; its text says everything."""

    handlers: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    random: bool
    """Whether Hypothesis made random bodies too; else there are the examples and their variants."""

    @property
    def ok(self) -> bool:
        """Whether no handler fails."""
        return not self.findings

    def __str__(self) -> str:
        """Return the report for people."""
        lines: list[str] = []
        for each in self.handlers:
            found = [finding for finding in self.findings if finding.handler == each.handler]
            word = "FAILED" if found else "ok"
            lines.append(
                f"{word:6} {each.handler} ({each.file}:{each.line}): {each.events} events of "
                f"{_types(each.event_types)}, slowest {each.slowest * 1000:.1f} ms"
            )
            lines += [f"  {line}" for finding in found for line in str(finding).splitlines()]
        failed = {finding.handler for finding in self.findings}
        count = len(self.handlers)
        lines.append(f"{count} handler{'s' * (count != 1)} checked, {len(failed)} failed")
        if not self.random:
            lines.append("with Hypothesis installed, random bodies would be tried as well")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return {
            "ok": self.ok,
            "random": self.random,
            "handlers": [
                {
                    "handler": each.handler,
                    "file": each.file,
                    "line": each.line,
                    "event_types": [*each.event_types],
                    "events": each.events,
                    "slowest": each.slowest,
                }
                for each in self.handlers
            ],
            "findings": [_as_json(each) for each in self.findings],
        }


def _types(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} types"


def _raised_at(finding: Finding) -> str | None:
    """Return the line of the handler's file at which it was raised, else the line that raised."""
    if finding.error is None:
        return None
    frames = traceback.extract_tb(finding.error.__traceback__)
    own = [frame for frame in frames if frame.filename == finding.file]
    return next((f"{frame.filename}:{frame.lineno}" for frame in (own or frames)[-1:]), None)


def _as_json(finding: Finding) -> dict[str, Any]:
    error = finding.error
    return {
        "handler": finding.handler,
        "file": finding.file,
        "line": finding.line,
        "kind": finding.kind,
        "path": finding.path,
        "event_type": finding.event_type,
        "body": finding.body.decode("utf-8", "replace"),
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "raised_at": _raised_at(finding),
    }
