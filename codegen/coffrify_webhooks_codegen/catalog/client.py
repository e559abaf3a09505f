"""Pulls the catalog from the API, with conditional requests, retries and bounded cost.

docs/pulling.md states what is known of the API; paging.py handles pagination.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from coffrify_webhooks.text import MaskedText
from coffrify_webhooks_codegen.errors import CatalogError, PullError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from . import cache as copies
from .address import DEFAULT_URL, events_url
from .api import Api, api_key_for
from .cache import Page
from .catalog import Catalog, load
from .paging import KEYS, next_page_url
from .reading import UnreadableError, read_json
from .redact import redact

__all__ = ["pull"]

_OK, _UNCHANGED = 200, 304


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
    api_key = None if api_key is None else MaskedText(api_key)
    url = events_url(api_url or os.environ.get("COFFRIFY_API_URL", "").strip() or DEFAULT_URL)
    client = _Client(
        key=api_key_for(api_key, url),
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


class _Client(Api):
    """One pull."""

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

    def _page(self, url: str, kept: Page | None) -> Page:
        answer = self.answer(url, kept.conditions if kept else {})
        if answer.status == _UNCHANGED:
            if kept is None:
                raise PullError(f"{url}: answered 304 to a first request", status=_UNCHANGED)
            return kept
        if answer.status != _OK:
            raise self.error_for(url, answer)
        self.left -= len(answer.body)
        if encoding := answer.headers.get("Content-Encoding", "").lower().replace("identity", ""):
            raise PullError(f"{url}: is encoded as {self.clean(encoding)}, which was not requested")
        try:
            document = read_json(answer.body)
        except UnreadableError:
            kind = self.clean(answer.headers.get("Content-Type", "unknown"))
            raise PullError(f"{url}: not valid JSON (its type is {kind})") from None
        if not is_mapping(document):
            raise PullError(f"{url}: should be an object, found {type(document).__name__}")
        given = [answer.headers.get(name) for name in ("ETag", "Last-Modified", "Link")]
        return Page(document, *(text if copies.is_header(text) else None for text in given))
