"""A field of the form for an event's data."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from coffrify_webhooks_sandbox.limits import TOO_DEEP, is_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ABSENT", "FormField", "Kind", "State", "is_typeable"]

Kind: TypeAlias = Literal["object", "array", "text", "integer", "number", "choice", "json"]
State: TypeAlias = Literal["value", "null", "absent"]

ABSENT: Any = object()
"""The value of an omitted field."""

_WHOLE = re.compile(r"-?[0-9]{1,300}")
_CHANGED = re.compile(r"[\0\r\ud800-\udfff]")
"""Characters that a browser's form changes."""


def is_typeable(text: str) -> bool:
    """Tell whether a browser's form returns a text unchanged."""
    return not _CHANGED.search(text)


@dataclass(slots=True)
class FormField:
    """A field, its value, and what is wrong with it.

    pointer: its name in the form, such as `data/files/0/name`. param: its name in errors, such as
    `data.files[0].name`.
    """

    pointer: str
    param: str
    name: str
    kind: Kind
    about: str = ""
    hint: str = ""
    required: bool = True
    nullable: bool = False
    is_item: bool = False
    """It is an item of a list, and can be removed."""
    state: State = "value"
    text: str = ""
    """The text that was typed; JSON for a choice."""
    choices: tuple[str, ...] = ()
    children: list[FormField] = field(default_factory=list["FormField"])
    error: str = ""

    @property
    def key(self) -> str:
        """Its name in the form, which is marked if its text is JSON."""
        return f"json:{self.pointer}" if self.kind == "json" else self.pointer

    @property
    def is_long(self) -> bool:
        """Whether it needs several lines: a single-line input loses line breaks."""
        return self.kind == "json" or "\n" in self.text

    def value(self) -> Any:
        """Return the data that was typed; mark unreadable fields with an error."""
        if self.state != "value":
            return None if self.state == "null" else ABSENT
        match self.kind:
            case "object":
                found = {child.name: child.value() for child in self.children}
                return {name: value for name, value in found.items() if value is not ABSENT}
            case "array":
                return [child.value() for child in self.children]
            case "text":
                return self.text
            case "integer" | "number":
                return self._number()
            case "choice" | "json":
                return self._json()

    def fields(self) -> Iterator[FormField]:
        """Yield this field and all fields in it."""
        yield self
        for child in self.children:
            yield from child.fields()

    def mark(self, param: str, message: str) -> None:
        """Show an error at the field that it is about, or the nearest one."""
        best = self
        for each in self.fields():
            is_in = param == each.param or param.startswith((f"{each.param}.", f"{each.param}["))
            if is_in and len(each.param) >= len(best.param):
                best = each
        best.error = message

    def _number(self) -> Any:
        text = self.text.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not text.isascii() or not math.isfinite(number) or "_" in text:
            return self._reject("This is not a number.")
        if self.kind == "integer" and not number.is_integer():
            return self._reject("This is not an integer.")
        return number

    def _json(self) -> Any:
        if self.kind == "choice" and self.text not in self.choices:
            return self._reject("Choose a value from the list.")
        try:
            found = json.loads(self.text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return self._reject("This is not valid JSON.")
        return self._reject(TOO_DEEP) if is_deep(found) else found

    def _reject(self, message: str) -> Any:
        self.error = message
        return None


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)
