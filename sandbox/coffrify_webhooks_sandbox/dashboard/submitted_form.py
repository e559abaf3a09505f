"""Reads a form that a browser submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.json_http import read_body

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["SubmittedForm"]

_MOST_FIELDS = 10_000
_MOST_DIGITS = 12


class SubmittedForm:
    """The fields of a submitted form, as text."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self.last = dict(pairs)
        """Each field by its name; the last of several with the same name."""

    @classmethod
    async def of(cls, request: Request) -> SubmittedForm:
        """Read a form; raise SandboxError for one that is too large or cannot be read."""
        text = (await read_body(request)).decode("utf-8", "replace")
        try:
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError:
            raise SandboxError(400, "invalid_form", "the form has too many fields") from None

    def text(self, name: str) -> str:
        """Return a field; "" if it is missing."""
        return self.last.get(name, "")

    def all(self, name: str) -> list[str]:
        """Return every field with a name, such as those of checkboxes."""
        return [value for key, value in self._pairs if key == name]

    def action(self, *known: str) -> str:
        """Return the action of the pressed button; raise SandboxError for an unknown one."""
        pressed = self.text("do")
        if pressed not in known:
            raise SandboxError(400, "unknown_action", "press one of the page's buttons", "do")
        return pressed

    def whole_number(self, name: str) -> int:
        """Return a whole number; raise SandboxError for anything else."""
        text = self.text(name).strip()
        if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
            raise SandboxError(400, "invalid_parameter", f"{name}: give a whole number", name)
        return int(text)
