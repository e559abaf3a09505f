"""What a receiver of this package answered, read from its reply's body."""

import json
import re
from typing import Any, NamedTuple

from coffrify_webhooks import errors

__all__ = ["Answer", "printable", "read_answer"]

_OUTCOMES = {
    error.code: error.outcome
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, errors.WebhookError)
}
_OK = 200
_NAME = re.compile(r"[a-z_]{1,40}", re.ASCII)


class Answer(NamedTuple):
    """A reply's outcome; of an error also its code and message."""

    outcome: str
    code: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.outcome} ({self.code})" if self.code else self.outcome


def read_answer(status: int, body: bytes | str) -> Answer | None:
    """Read a reply; None for what no receiver of this package answers."""
    try:
        content: Any = json.loads(body)
        if status == _OK:
            return Answer(_name(content["outcome"]))
        code = _name(content["error"]["code"])
        return Answer(_OUTCOMES.get(code, "?"), code, str(content["error"]["message"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def printable(text: str) -> str:
    """Return a stranger's text without what would steer a terminal."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def _name(value: Any) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError("no name of ours")
