"""Pulls the catalog from the API, with conditional requests, retries and bounded cost.

docs/pulling.md states what is known of the API; paging.py handles pagination.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from math import ceil
from pathlib import Path
from random import uniform
from typing import Literal

from coffrify_webhooks_codegen.errors import (
    CatalogError,
    PullError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from . import cache as copies
from .address import DEFAULT_URL, events_url, is_file, next_url
from .cache import Page
from .catalog import Catalog, load
from .paging import KEYS, next_page_url
from .reading import UnreadableError, read_json
from .redact import REDACTED, redact
from .transport import Answer, BrokenError, LargeError, Limits, get

__all__ = ["pull"]

_KEY = re.compile(r"[!-~]{1,1000}")
_OK, _UNCHANGED, _TOO_MANY, _FAULTS = 200, 304, 429, 500
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_LONGEST_PAUSE = 30.0
_LONGEST_LINE, _LONGEST_WORD = 800, 200
_YEAR_2001 = 1_000_000_000
_KINDS = {401: RefusedError, 403: RefusedError}
_ADVICE = {
    401: "; is the API key right? It is read from COFFRIFY_API_KEY",
    403: "; the API key may not read the catalog",
    404: "; is the address right? It is read from COFFRIFY_API_URL",
}


def pull(
    api_key: str | None = None,
    api_url: str | None = None,
    *,
    cache: Path | str | Literal[False] | None = None,
    timeout: float = 10,
    deadline: float = 120,
    attempts: int = 4,
    max_bytes: int = 32 * 1024 * 1024,
    max_pages: int = 100,
    on_wait: Callable[[str, float], None] | None = None,
    sleep: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Catalog:
    """Pull the workspace's catalog from the API; an unchanged one is not downloaded again.

    api_key: by default COFFRIFY_API_KEY. It is sent to `api_url` and nowhere else.
    api_url: by default COFFRIFY_API_URL, or else the vendor's; with or without
        `/webhooks/events`. A `.json` file is requested without a key, unless one is passed here.
    cache: the file for the cached copy; None: a file in the user's cache folder; False: no copy.
    timeout: seconds for connecting, and for each wait for data.
    deadline: seconds for the whole call.
    attempts: how often a request is sent while there is no response or a 5xx.
    on_wait: called with the reason and the seconds before each pause between attempts.

    Raises CatalogError; its subclasses PullError, RefusedError, RateLimitedError and
    UnavailableError (in `coffrify_webhooks_codegen.errors`) say what a caller can do.
    """
    url = events_url(api_url or os.environ.get("COFFRIFY_API_URL", "").strip() or DEFAULT_URL)
    client = _Client(
        key=_key(api_key, url),
        timeout=timeout,
        end=clock() + deadline,
        attempts=attempts,
        left=max_bytes,
        on_wait=on_wait,
        sleep=sleep,
        clock=clock,
    )
    mark = copies.owner(url, client.key)
    place = None
    if cache is not False:
        place = Path(cache) if cache else copies.default_place(mark)
    kept = copies.read(place, mark) if place else {}
    try:
        pages = client.pages(url, kept, max_pages)
        catalog = _read(url, pages)
    except CatalogError as error:
        # An API may repeat the key in whatever it says.
        error.args = (client.clean(error),)
        raise
    if place and pages != kept:
        copies.write(place, mark, pages, never=client.key)
    # The catalog ends up in generated files, which are committed.
    document = redact(catalog.document, client.key or "")
    return catalog if document is catalog.document else load(document)


def _key(given: str | None, url: str) -> str | None:
    key = given if given is not None or is_file(url) else os.environ.get("COFFRIFY_API_KEY")
    key = (key or "").strip()
    if not key and not is_file(url):
        raise RefusedError("there is no API key: set COFFRIFY_API_KEY")
    if key and not _KEY.fullmatch(key):
        raise RefusedError("the API key should be plain text without spaces; it was not sent")
    return key or None


def _read(url: str, pages: Mapping[str, Page]) -> Catalog:
    """Read all pages as one catalog, in their order."""
    documents = [page.document for page in pages.values()]
    document = {key: value for key, value in documents[0].items() if key not in KEYS}
    lists = [found.get("data") for found in documents]
    odd = [data for data in lists if not is_list(data)]
    document["data"] = odd[0] if odd else [entry for data in lists for entry in data or ()]
    try:
        return load(document)
    except CatalogError as error:
        raise CatalogError(f"{url}: {error}") from None


@dataclass
class _Client:
    """One pull, with its key and what is left of its limits."""

    key: str | None
    timeout: float
    end: float
    attempts: int
    left: int
    on_wait: Callable[[str, float], None] | None
    sleep: Callable[[float], object]
    clock: Callable[[], float]

    def pages(self, url: str, kept: Mapping[str, Page], most: int) -> dict[str, Page]:
        pages: dict[str, Page] = {}
        next_url_or_none: str | None = url
        while next_url_or_none is not None:
            if len(pages) >= most:
                raise PullError(f"{url}: more than {most} pages")
            page = self._page(next_url_or_none, kept.get(next_url_or_none))
            if any(page.document == other.document for other in pages.values()):
                raise PullError(f"{url}: the API sends the same page again and again")
            pages[next_url_or_none] = page
            next_url_or_none = next_page_url(next_url_or_none, page.document, page.link)
            if next_url_or_none in pages:
                raise PullError(f"{url}: the pages of the catalog form a loop")
        return pages

    def clean(self, text: object) -> str:
        """Return untrusted text as one short, printable line without the API key."""
        line = "".join(char for char in " ".join(str(text).split()) if char.isprintable())
        if self.key:
            line = re.sub(re.escape(self.key), REDACTED, line, flags=re.IGNORECASE)
        return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."

    def _page(self, url: str, kept: Page | None) -> Page:
        answer = self._answer(url, kept.conditions if kept else {})
        if answer.status == _UNCHANGED:
            if kept is None:
                raise PullError(f"{url}: answered 304 to a first request", status=_UNCHANGED)
            return kept
        if answer.status != _OK:
            raise self._error_for(url, answer)
        self.left -= len(answer.body)
        if encoding := answer.headers.get("Content-Encoding", "").lower().replace("identity", ""):
            raise PullError(f"{url}: is encoded as {self.clean(encoding)}, which was not requested")
        try:
            document = read_json(answer.body)
        except UnreadableError:
            kind = self.clean(answer.headers.get("Content-Type", "unknown"))
            raise PullError(f"{url}: not readable as JSON (its type is {kind})") from None
        if not is_mapping(document):
            raise PullError(f"{url}: should be an object, found {type(document).__name__}")
        given = [answer.headers.get(name) for name in ("ETag", "Last-Modified", "Link")]
        return Page(document, *(text if copies.is_header(text) else None for text in given))

    def _answer(self, url: str, conditions: Mapping[str, str]) -> Answer:
        """Send a request until it is answered or no attempt is left."""
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._follow_redirects(url, conditions)
            except BrokenError as error:
                failure: PullError = UnavailableError(f"{url}: {error}")
                asked = 0.0
            else:
                if answer.status < _FAULTS:
                    return answer
                failure = self._error_for(url, answer)
                asked = _retry_after(answer.headers) or 0.0
            pause = max(asked, min(8.0, 0.5 * 2**attempt) * uniform(0.5, 1))
            most = min(_LONGEST_PAUSE, self.end - self.clock())
            if attempt >= self.attempts or pause > most:
                raise failure from None
            if self.on_wait:
                self.on_wait(self.clean(failure), pause)
            self.sleep(pause)

    def _follow_redirects(self, url: str, conditions: Mapping[str, str]) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "coffrify-webhooks", **conditions}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        limits = Limits(self.timeout, self.end, self.left, self.clock)
        here = url
        for left in range(_MOST_REDIRECTS, -1, -1):
            try:
                answer = get(here, headers, limits)
            except LargeError:
                raise PullError(f"{url}: the catalog is too large") from None
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            if not left:
                break
            here = next_url(here, target, "a redirect")
        raise PullError(f"{url}: more than {_MOST_REDIRECTS} redirects")

    def _error_for(self, url: str, answer: Answer) -> PullError:
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
