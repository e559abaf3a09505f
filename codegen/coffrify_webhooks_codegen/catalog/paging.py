"""Finds the next page of a paginated catalog.

Whether and how the vendor paginates its catalog is NOT KNOWN. The usual ways are supported; any
other sign of pagination is an error, so that no event goes missing unnoticed.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from coffrify_webhooks_codegen.errors import PullError
from coffrify_webhooks_codegen.json_types import is_list, is_mapping

from .address import next_url

__all__ = ["KEYS", "next_page_url"]

_PLACES = ("pagination", "paging", "meta", "links")
KEYS = (*_PLACES, "next", "next_url", "next_page", "next_cursor", "has_more")
"""Keys that describe one page rather than the catalog."""
_LINK = re.compile(r"<([^<>]*)>((?:\s*;[^,<]*)*)")
_REL_NEXT = re.compile(r';\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)', re.IGNORECASE)


def next_page_url(url: str, document: Mapping[str, Any], link: str | None) -> str | None:
    """Return the address of the page after this one; None after the last.

    link: the `Link` header of the answer. Raises PullError if the next page is on another host.
    """
    marks: dict[str, Any] = {}
    for place in (document, *(document.get(name) for name in _PLACES)):
        if is_mapping(place):
            for key in KEYS:
                if place.get(key) is not None and key not in _PLACES:
                    marks.setdefault(key, place[key])
    more = marks.pop("has_more", None)
    if more is False:
        return None
    for key in ("next", "next_url", "next_page", "next_cursor"):
        if mark := marks.get(key):
            return _url_from_mark(url, key, mark)
    if target := _link_target(link):
        return next_url(url, target, "the next page")
    return _url_after_last(url, document) if more else None


def _url_from_mark(url: str, key: str, mark: object) -> str:
    if isinstance(mark, int) and not isinstance(mark, bool) and key == "next_page":
        return _with_parameter(url, "page", str(mark))
    if not isinstance(mark, str):
        raise PullError(f"{url}: there are more pages, in an unsupported form: see {key!r}")
    if key != "next_cursor" and mark.startswith(("http://", "https://", "/", "?")):
        return next_url(url, mark, "the next page")
    return _with_parameter(url, "cursor", mark)


def _link_target(link: str | None) -> str | None:
    for target, options in _LINK.findall((link or "")[:8000]):
        if _REL_NEXT.search(options):
            return str(target)
    return None


def _url_after_last(url: str, document: Mapping[str, Any]) -> str:
    data = document.get("data")
    last = data[-1] if is_list(data) and data else None
    mark = (last.get("id") or last.get("type")) if is_mapping(last) else None
    if not isinstance(mark, str):
        raise PullError(f"{url}: there are more pages, but nothing says where they are")
    return _with_parameter(url, "starting_after", mark)


def _with_parameter(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    text = urlencode([*query, (name, value.encode("utf-8", "replace"))])
    return next_url(url, urlunsplit(parts._replace(query=text)), "the next page")
