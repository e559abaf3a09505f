"""The cached copy of the catalog: the pages of the last pull, with their validators (ETag).

The file never holds the API key; a digest identifies the workspace it belongs to. A damaged file,
or one of another workspace or address, is treated as missing.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coffrify_webhooks_codegen.atomic_write import replace_file
from coffrify_webhooks_codegen.json_types import is_mapping

__all__ = ["Page", "default_place", "is_header", "owner", "read", "write"]

_FORMAT = 1


@dataclass(frozen=True)
class Page:
    """One page of the catalog as the API sent it."""

    document: Mapping[str, Any]
    etag: str | None = None
    modified: str | None = None
    link: str | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """The headers of a conditional request for this page."""
        sent = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in sent.items() if value}


def owner(url: str, key: str | None) -> str:
    """Return a digest that identifies a workspace and an address."""
    return hashlib.sha256(f"coffrify-webhooks\0{url}\0{key or ''}".encode()).hexdigest()


def default_place(mark: str) -> Path | None:
    """Return the file in the user's cache folder; None if there is no such folder."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    # The XDG specification says that a relative path must be ignored.
    folder = base if base.is_absolute() else Path.home() / ".cache"
    return folder / "coffrify-webhooks" / f"catalog-{mark[:16]}.json"


def read(path: Path, mark: str) -> dict[str, Page]:
    """Return the pages by address; empty if the file is missing, damaged or not this owner's."""
    try:
        if not path.is_file():
            return {}
        found = json.loads(path.read_bytes())
        if not is_mapping(found) or (found["format"], found["owner"]) != (_FORMAT, mark):
            return {}
        return {str(url): _page(page) for url, page in found["pages"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def write(path: Path, mark: str, pages: Mapping[str, Page], *, never: str | None) -> None:
    """Write the pages, unless they contain `never`, the text that must not be stored.

    A file that cannot be written is not an error; there is then no cache.
    """
    kept = {url: asdict(page) for url, page in pages.items()}
    text = json.dumps({"format": _FORMAT, "owner": mark, "pages": kept})
    if never and json.dumps(never)[1:-1] in text:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), private=True)
    except OSError:
        return


def _page(found: Any) -> Page:
    page = Page(**found)
    texts = (page.etag, page.modified, page.link)
    if not is_mapping(page.document) or not all(is_header(text) for text in texts):
        raise ValueError
    return page


def is_header(text: object) -> bool:
    """Tell whether a text may be sent as a header: printable ASCII without line breaks."""
    return text is None or (isinstance(text, str) and text.isascii() and text.isprintable())
