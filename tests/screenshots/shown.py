"""A page that a picture shows, and a digest of all that the picture depends on."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

from playwright.sync_api import Page

__all__ = ["FOLDER", "MOMENT", "Shown", "digest"]

FOLDER = Path(__file__).parents[2] / "docs" / "images"
MOMENT = 1_777_885_200.0
"""2026-05-04 09:00 UTC: when every picture begins."""
_FILES = re.compile(r'(?:href|src)="([^"#]*/static/[^"#]+)')
_VARYING = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"WSGIServer/[\d.]+ CPython/\w[\w.]*"), "SERVER"),
    (re.compile(r"\S+\.py:\d+"), "PLACE"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page by its address, and what is done to it before a picture of it is taken."""

    name: str
    url: str
    is_dark: bool = False
    prepare: Callable[[Page], object] = lambda _page: None

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.png"


def _normalized(page: str) -> str:
    """Return a page without what differs between two machines that show the same."""
    for pattern, text in _VARYING:
        page = pattern.sub(text, page)
    return page


def digest(shown: Shown) -> str:
    """Return a digest of the page and of its styles and scripts, without a browser."""
    page = _read(shown.url).decode()
    found = sha256(f"{shown.is_dark}\n{_normalized(page)}".encode())
    for path in sorted(set(_FILES.findall(page))):
        found.update(sha256(_read(urljoin(shown.url, path))).digest())
    return found.hexdigest()


def _read(url: str) -> bytes:
    with urlopen(url) as response:
        content: bytes = response.read()
    return content
