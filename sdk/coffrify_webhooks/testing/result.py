"""What became of a delivery, as a test looks at it: nothing is hidden."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Never, TypeVar, cast

from coffrify_webhooks import errors
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType

    from coffrify_webhooks.doctor import Diagnosis
    from coffrify_webhooks.http.reply import Outcome
    from coffrify_webhooks.observe import Notice

__all__ = ["Answer", "Result", "result_of"]

E_co = TypeVar("E_co", bound=Event, covariant=True)
E = TypeVar("E", bound=Event)

_MOST_TEXT = 500
_MISSING = 404
_USUAL = ("replied", "key_matched", "executed")
"""Notices that say no more than the result itself."""
_CARRIERS = ("anyio", "asgiref", "asyncio", "concurrent", "contextlib", "threading", "trio")
_PACKAGE = str(Path(errors.__file__).parent)


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Result(Generic[E_co]):
    """The answer to a delivery, and the reason for it."""

    status: int
    """The HTTP status."""
    outcome: Outcome | None
    """`Reply.outcome`; None if the answer is not a receiver's."""
    code: str
    """The code of the error, such as `signature_mismatch`; empty without one."""
    event: E_co
    """The event that was sent, before the case bent it."""
    headers: Mapping[str, str]
    """Of the answer, their names in lower case."""
    text: str
    """The body of the answer."""
    error: BaseException | None = None
    """What a handler raised, with its traceback; else the receiver's own error."""
    notices: tuple[Notice, ...] = field(default=())
    """What the receiver told its observers meanwhile, if it is in this process."""
    sent: str = ""
    """What was sent, and to where."""
    diagnose: Callable[[], Diagnosis] | None = field(default=None, compare=False)
    """Says why a delivery was refused, as `coffrify-webhooks doctor` does; None if it was not."""

    def __bool__(self) -> Never:
        """Refuse: a delivery that failed is a result as well, and one refused may be as meant."""
        raise ConfigurationError(
            f"is {self!r} what the test expects? Ask for it by name, as in "
            'assert result.outcome == "handled"'
        )

    def __repr__(self) -> str:
        """Return one line: pytest shows it beside a comparison that failed."""
        what = f"{self.status} {self.outcome}"
        if self.code:
            what += f" ({self.code})"
        if self.error is not None and not isinstance(self.error, errors.WebhookError):
            what += f": {_last_line(self.error)}"
        return f"<Result {what}>"

    def __str__(self) -> str:
        """Return all that explains the outcome, on several lines."""
        lines = [f"{self.sent}: {self.status} {self.outcome or 'not answered by a receiver'}"]
        replied = [each.text for each in self.notices if each.kind == "replied"]
        if self.code:
            lines += replied or [f"{self.code}: {_message(self.text)}"]
            if self.code == "signature_mismatch" and not self.notices:
                lines.append(
                    "no receiver of this process was reached: one in another process is not "
                    "isolated, so give its secret: secret=..."
                )
        elif self.outcome is None:
            lines += [self._hint(), self.text[:_MOST_TEXT]]
        if self.diagnose is not None:
            if "(valid)" not in self.sent:
                lines.append(
                    "The kit made it so, as case= asks. About such a delivery the doctor says:"
                )
            lines += _causes(self.diagnose())
        lines += [each.text.strip() for each in self.notices if each.kind not in _USUAL]
        raised = [each.error.__cause__ for each in self.notices if each.error is not None]
        for error in dict.fromkeys([*raised, self.error]):
            if error is not None and not isinstance(error, errors.WebhookError):
                lines.append("".join(traceback.format_exception(_from_outside(error))).rstrip())
        return "\n".join(lines)

    def _hint(self) -> str:
        if self.status == _MISSING:
            return "the application has no webhook endpoint there: give its path, path=..."
        return (
            "something in front of the receiver answered: a middleware, another route, a redirect; "
            "put the webhook endpoint before it"
        )


def _causes(diagnosis: Diagnosis) -> list[str]:
    if diagnosis.accepted:
        return ["as it was sent, it verifies: something in front of the receiver has changed it"]
    return [f"{each.certainty}: {each.message} {each.fix}" for each in diagnosis.causes]


def result_of(
    event: E,
    answer: Answer,
    notices: Sequence[Notice] = (),
    sent: str = "",
    diagnose: Callable[[], Diagnosis] | None = None,
) -> Result[E]:
    """Return the result of a delivery from its answer, and from what was observed."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    text = answer.body.decode("utf-8", "replace")
    outcome, code = _read(answer, text)
    replied = next((each for each in reversed(notices) if each.kind == "replied"), None)
    error: BaseException | None = None
    if replied is not None and replied.error is not None and replied.error.code == code:
        error = _from_outside(replied.error.__cause__ or replied.error)
    return Result(
        answer.status, outcome, code, event, headers, text, error, (*notices,), sent, diagnose
    )


def _read(answer: Answer, text: str) -> tuple[Outcome | None, str]:
    """Return the outcome and the code that a receiver's answer tells; None for another's."""
    document = _document(text)
    error = document.get("error")
    code = cast("dict[str, Any]", error).get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code in _OUTCOMES:
        return _OUTCOMES[code], code
    outcome = document.get("outcome")
    known = isinstance(outcome, str) and answer.status in range(200, 300)
    return (cast("Outcome", outcome), "") if known else (None, "")


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _message(text: str) -> str:
    error = _document(text).get("error")
    found = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else None
    return str(found or text)[:_MOST_TEXT]


def _last_line(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {frame[0].filename.rpartition('/')[2]}:{frame[0].lineno}" if frame else ""
    return f"{type(error).__name__}: {error}{where}"


def _from_outside(error: BaseException) -> BaseException:
    """Return the error with its traceback from the first frame of the handler's own."""
    trace = error.__traceback__
    while trace is not None and _is_between(trace.tb_frame):
        trace = trace.tb_next
    return error if trace is None else error.with_traceback(trace)


def _is_between(frame: FrameType) -> bool:
    """Tell a frame of ours, or of what carries a call to another thread or event loop."""
    module = str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _CARRIERS or frame.f_code.co_filename.startswith(_PACKAGE)


def _outcomes() -> dict[str, Outcome]:
    """Map the code of each error to its outcome."""
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    kinds = [each for each in found if issubclass(each, errors.WebhookError)]
    return {each.code: cast("Outcome", each.outcome) for each in kinds}


_OUTCOMES = _outcomes()
