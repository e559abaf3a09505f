"""Writes the reference of the errors from their classes: `python docs/errors_reference.py`."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from coffrify_webhooks import errors

__all__ = ["PAGE", "kinds", "page"]

PAGE = Path(__file__).with_name("errors.md")

_BEGIN = "<!-- reference: written by docs/errors_reference.py, do not edit -->\n"
_BASES = ("error", "verification_failed")
"""Codes of classes that others derive from, and that nothing raises."""
_NEVER_IN_A_REPLY = ("not_replayable", "bad_message")


def page(text: str) -> str:
    """Return the page `text` with its reference renewed: a table, and a section for each code."""
    before, _, _ = text.partition(_BEGIN)
    found = [*kinds()]
    rows = "".join(_row(kind) for kind in found)
    sections = "\n".join(_section(kind) for kind in found)
    return f"{before}{_BEGIN}\n| Code | Outcome | Status |\n|---|---|---|\n{rows}\n{sections}"


def kinds() -> Iterator[type[errors.WebhookError]]:
    """Yield each class that has a code of its own."""
    for kind in vars(errors).values():
        is_error = isinstance(kind, type) and issubclass(kind, errors.WebhookError)
        if is_error and kind.code not in _BASES:
            yield kind


def _row(kind: type[errors.WebhookError]) -> str:
    status = "in no reply" if kind.code in _NEVER_IN_A_REPLY else kind.status
    return f"| [`{kind.code}`](#{kind.code}) | `{kind.outcome}` | {status} |\n"


def _section(kind: type[errors.WebhookError]) -> str:
    meaning, _, remedy = (inspect.getdoc(kind) or "").partition("\n\nRemedy: ")
    if not remedy:
        raise LookupError(f"{kind.__name__} says no remedy in its docstring")
    reply = f"{kind.status}, outcome `{kind.outcome}`"
    if kind.status == errors.Busy.status:
        reply += ", with `Retry-After`"
    if kind.code in _NEVER_IN_A_REPLY:
        reply = "none; it is raised to the caller"
    what = remedy[0].upper() + " ".join(remedy[1:].split())
    return (
        f"## {kind.code}\n\n{' '.join(meaning.split())}\n\n"
        f"- Reply: {reply}\n- Class: `coffrify_webhooks.errors.{kind.__name__}`\n- Remedy: {what}\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
