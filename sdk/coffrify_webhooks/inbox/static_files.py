"""The inbox's styles and scripts: a fixed list, so that no path leads elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from .response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["static_file"]

_FILES: Mapping[str, tuple[str, str]] = {
    "pages.css": ("coffrify_webhooks.web", "text/css; charset=utf-8"),
    "inbox.css": ("coffrify_webhooks.inbox", "text/css; charset=utf-8"),
    "htmx.min.js": ("coffrify_webhooks.web", "text/javascript; charset=utf-8"),
    "icon.svg": ("coffrify_webhooks.web", "image/svg+xml"),
}


def static_file(name: str) -> Response | None:
    """Return a file; None if there is no such one."""
    found = _FILES.get(name)
    if found is None:
        return None
    package, content_type = found
    return Response(200, _read(package, name), content_type)


@cache
def _read(package: str, name: str) -> bytes:
    return files(package).joinpath("static", name).read_bytes()
