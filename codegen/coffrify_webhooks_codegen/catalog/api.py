"""One exchange with the API: key, redirects, attempts and errors, bounded in time and size."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from math import ceil
from random import uniform

from coffrify_webhooks.text import MaskedText
from coffrify_webhooks_codegen.errors import (
    PullError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)
from coffrify_webhooks_codegen.json_types import is_mapping

from .address import is_file, next_url
from .redact import one_line
from .transport import Answer, BrokenError, LargeError, Limits, send

__all__ = ["Api", "api_key_for"]

_KEY = re.compile(r"[!-~]{1,1000}")
_TOO_MANY, _FAULTS = 429, 500
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_LONGEST_PAUSE = 30.0
_LONGEST_LINE, _LONGEST_WORD = 800, 200
_YEAR_2001 = 1_000_000_000
_KINDS = {401: RefusedError, 403: RefusedError}
_ADVICE = {
    401: "; is the API key right? It is read from COFFRIFY_API_KEY",
    403: "; the API key may not do that",
    404: "; is the address right? It is read from COFFRIFY_API_URL",
}


def api_key_for(given: str | None, url: str) -> MaskedText | None:
    """Return the key to send to an address: the given one, else that of COFFRIFY_API_KEY.

    given: masked by the caller, since crash reporters keep the locals of a frame that raises.
    """
    found = given if given is not None or is_file(url) else os.environ.get("COFFRIFY_API_KEY")
    key, found = MaskedText((found or "").strip()), None
    if not key and not is_file(url):
        raise RefusedError("there is no API key: set COFFRIFY_API_KEY")
    if key and not _KEY.fullmatch(key):
        raise RefusedError("the API key should be plain text without spaces; it was not sent")
    return key or None


@dataclass
class Api:
    """The API with a key, and what is left of the limits of one job."""

    key: str | None
    timeout: float
    end: float
    attempts: int
    left: int
    on_wait: Callable[[str, float], None] | None
    sleep: Callable[[float], object]
    clock: Callable[[], float]

    def clean(self, text: object) -> str:
        """Return untrusted text as one short, printable line without the key and other secrets."""
        line = one_line(text, self.key)
        return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."

    def answer(
        self, url: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b""
    ) -> Answer:
        """Send a request until it is answered, by whatever but a 5xx, or no attempt is left."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._follow_redirects(url, headers, method, body)
            except BrokenError as error:
                failure: PullError = UnavailableError(f"{url}: {error}")
                asked = 0.0
            else:
                if answer.status < _FAULTS:
                    return answer
                failure = self.error_for(url, answer)
                asked = _retry_after(answer.headers) or 0.0
            pause = max(asked, min(8.0, 0.5 * 2**attempt) * uniform(0.5, 1))
            most = min(_LONGEST_PAUSE, self.end - self.clock())
            if attempt >= self.attempts or pause > most:
                raise failure from None
            if self.on_wait:
                self.on_wait(self.clean(failure), pause)
            self.sleep(pause)

    def _follow_redirects(
        self, url: str, more: Mapping[str, str], method: str, body: bytes
    ) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "coffrify-webhooks", **more}
        if self.key:
            headers["Authorization"] = MaskedText(f"Bearer {self.key}")
        limits = Limits(self.timeout, self.end, self.left, self.clock)
        here = url
        for left in range(_MOST_REDIRECTS, -1, -1):
            try:
                answer = send(here, headers, limits, method, body)
            except LargeError:
                raise PullError(f"{url}: the answer is too large") from None
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target or method != "GET":
                return answer
            if not left:
                break
            here = next_url(here, target, "a redirect")
        raise PullError(f"{url}: more than {_MOST_REDIRECTS} redirects")

    def error_for(self, url: str, answer: Answer) -> PullError:
        """Return the error that a response tells of."""
        status = answer.status
        request, code, said = map(
            self._shorten, (answer.headers.get("X-Request-Id"), *_error_details(answer.body))
        )
        text = f"{url}: answered {status}"
        text += f" (request {request})" if request else ""
        text += ": " * bool(code or said) + ": ".join(filter(None, (code, said)))
        if status == _TOO_MANY:
            wait = _rate_wait(answer.headers)
            text += "" if wait is None else f"; try again in {ceil(wait)} seconds"
            return RateLimitedError(text, wait, code=code or None)
        kind = _KINDS.get(status, UnavailableError if status >= _FAULTS else PullError)
        return kind(text + _ADVICE.get(status, ""), status=status, code=code or None)

    def _shorten(self, text: str | None) -> str:
        line = self.clean(text or "")
        return line if len(line) <= _LONGEST_WORD else f"{line[:_LONGEST_WORD]}..."


def _error_details(body: bytes) -> tuple[str, str]:
    """Return the code and the message of an error response; "" for what is missing."""
    try:
        document = json.loads(body[:65_536])
    except (ValueError, RecursionError):
        return "", ""
    error = document.get("error") if is_mapping(document) else None
    if not is_mapping(error):
        return "", error if isinstance(error, str) else ""
    code, said, param = (error.get(name) for name in ("code", "message", "param"))
    said = said if isinstance(said, str) else ""
    if isinstance(param, str):
        said += f" (parameter {param})"
    return code if isinstance(code, str) else "", said


def _retry_after(headers: Message) -> float | None:
    """Return the seconds of a Retry-After header; None without a usable one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _rate_wait(headers: Message) -> float | None:
    wait = _retry_after(headers)
    reset = headers.get("X-RateLimit-Reset", "").strip()
    if wait is not None or not (reset.isascii() and reset.isdigit()):
        return wait
    # Whether it is a time or a number of seconds is NOT KNOWN; their sizes tell them apart.
    value = float(reset[:12])
    return max(0.0, value - time.time()) if value > _YEAR_2001 else value
