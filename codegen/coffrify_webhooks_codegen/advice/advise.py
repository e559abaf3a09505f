"""What a change of the catalog breaks in a program: a type checker's new findings, and uses of
what has changed in handlers whose parameter has no type.
"""

import linecache
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks.router import Router
from coffrify_webhooks_codegen.catalog import Catalog
from coffrify_webhooks_codegen.diff import Change, diff

from .checkers import Checker, Complaint
from .handled import Handled, handlers_of
from .paths import fits, steps_of, uses_of
from .workspace import Workspace

__all__ = ["Advice", "Finding", "advise"]

_BUNDLED = "coffrify_webhooks.events"
_MOST_REASONS = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Finding:
    """One line that a change breaks."""

    file: Path
    line: int
    text: str
    """What is wrong there."""
    found_by: str
    """"mypy", "pyright", or "syntax" for what was read off the syntax tree."""
    handler: str | None
    reasons: tuple[Change, ...]
    """The changes of the catalog that it comes of, the likeliest first; it may be empty."""

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "file": str(self.file),
            "line": self.line,
            "text": self.text,
            "found_by": self.found_by,
            "handler": self.handler,
            "reasons": [vars(each) for each in self.reasons],
        }


@dataclass(frozen=True)
class Advice:
    """All findings, by file and line."""

    findings: tuple[Finding, ...]
    checker: str | None
    """The type checker that was run; None if none is installed, or nothing has changed."""
    handlers: int
    """How many handlers were looked at."""
    unread: tuple[str, ...]
    """The handlers whose source could not be found."""


def advise(
    old: Catalog,
    new: Catalog,
    router: Router,
    checker: Checker | None,
    progress: Callable[[str], object] = lambda _: None,
) -> Advice:
    """Return what breaks in a program when its classes are made of `new` rather than of `old`.

    Raises CatalogError for a catalog of which no classes can be made, and if the checker fails.
    """
    changes = [each for each in diff(old, new) if each.severity in ("breaking", "warning")]
    handlers = handlers_of(router, [each.type for each in old.events])
    read = {each.name for each in handlers}
    unread = tuple(each.name for each in router.handlers if each.name not in read)
    if not changes or not handlers:
        return Advice((), None, len(handlers), unread)
    with TemporaryDirectory(prefix="coffrify-webhooks-") as folder:
        copy = Workspace(
            Path(folder), (each.module for each in handlers), _package_of(router.registry)
        )
        keys = {name: key for key, name in copy.use(old).fields.items()}
        complaints: list[Complaint] = []
        if checker is not None:
            progress(f"{checker.name} checks {len(copy.checked)} files with the classes of OLD")
            before = Counter(checker.run(copy))
            copy.use(new)
            progress(f"{checker.name} checks them with the classes of NEW")
            complaints = list((Counter(checker.run(copy)) - before).elements())
    found = [_explained(each, checker.name if checker else "", handlers, changes, router)
             for each in complaints]  # fmt: skip
    for handler in handlers:
        is_checked = checker is not None and handler.is_typed
        found += _by_syntax(handler, changes, keys, is_checked=is_checked)
    findings = sorted(found, key=lambda each: (str(each.file), each.line, each.text))
    name = None if checker is None else checker.name
    return Advice(tuple(findings), name, len(handlers), unread)


def _package_of(registry: Registry) -> str:
    """Return the package of classes that a program has of its own, else the bundled one."""
    packages = [module.rpartition(".")[0] for module, _ in registry.places().values()]
    return next((each for each in packages if each != _BUNDLED), _BUNDLED)


def _by_syntax(
    handler: Handled, changes: Sequence[Change], keys: dict[str, str], *, is_checked: bool
) -> list[Finding]:
    """Return what a handler uses of what has changed; of a checked one whether it is called."""
    found: list[Finding] = []
    uses = [] if is_checked else uses_of(handler.node, handler.event)
    for change in changes:
        if change.severity != "breaking" or change.event not in handler.events:
            continue
        if not change.path:
            if change.kind == "removed" and change.event in handler.patterns:
                text = f"{change.event} is no longer sent"
                found.append(_finding(handler, handler.first_line, text, change))
            continue
        if change.kind == "renamed":
            continue  # what is not annotated does not name a class
        steps = steps_of(change.path)
        lines = dict.fromkeys(each.line for each in uses if fits(each.path, steps, keys))
        text = f"uses {handler.event}.{change.path}"
        found += [_finding(handler, line, text, change) for line in lines]
    return _join(found)


def _finding(handler: Handled, line: int, text: str, change: Change) -> Finding:
    return Finding(handler.file, line, text, "syntax", handler.name, (change,))


def _join(findings: Sequence[Finding]) -> list[Finding]:
    """Join what several events of one handler say of the same line."""
    joined: dict[tuple[int, str], Finding] = {}
    for each in findings:
        before = joined.get((each.line, each.text))
        reasons = (*before.reasons, *each.reasons) if before else each.reasons
        joined[each.line, each.text] = Finding(
            each.file, each.line, each.text, each.found_by, each.handler, reasons[:_MOST_REASONS]
        )
    return list(joined.values())


def _explained(
    complaint: Complaint,
    checker: str,
    handlers: Sequence[Handled],
    changes: Sequence[Change],
    router: Router,
) -> Finding:
    """Join a complaint with the changes whose field or class it names, or its line does."""
    file, line, text, code = complaint
    handler = next((each for each in handlers if each.holds(file, line)), None)
    words = {*_WORD.findall(text), *_WORD.findall(linecache.getline(str(file), line))}
    classes = {event: name for event, (_, name) in router.registry.places().items()}

    def score(change: Change) -> int:
        steps = [each for each in steps_of(change.path) if each]
        is_named = bool(steps) and set(_WORD.findall(steps[-1])) <= words
        is_class = classes.get(change.event, change.event) in words
        is_handled = handler is not None and change.event in handler.events
        return 4 * is_named + 2 * is_class + is_handled if is_named or is_class else 0

    best = max(map(score, changes), default=0)
    reasons = [each for each in changes if best and score(each) == best]
    reasons.sort(key=lambda each: (each.kind == "renamed", *each.rank()))
    reasons = reasons[:_MOST_REASONS]
    name = None if handler is None else handler.name
    shown = f"{text}  [{code}]" if code else text
    return Finding(file, line, shown, checker, name, tuple(reasons))
