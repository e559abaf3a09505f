"""What the pictures of the docs were taken of, as `make screenshots` recorded it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from tests.screenshots.inbox_scene import inbox_pages
from tests.screenshots.sandbox_scene import sandbox_pages
from tests.screenshots.shown import FOLDER, Shown

__all__ = ["RECORD", "picture_digests", "recorded", "scenes"]

RECORD = Path(__file__).with_name("record.json")


@contextmanager
def scenes(ports: tuple[int, int, int] = (0, 0, 0)) -> Iterator[list[Shown]]:
    """Yield all pages that are pictured; ports: those that they show."""
    with ExitStack() as ends:
        yield [
            *ends.enter_context(sandbox_pages(ports)),
            *ends.enter_context(inbox_pages()),
        ]


def picture_digests() -> dict[str, str]:
    """Return the digest of each picture of a page that the docs have."""
    files = sorted([*FOLDER.glob("sandbox-*.png"), *FOLDER.glob("inbox-*.png")])
    return {file.stem: sha256(file.read_bytes()).hexdigest() for file in files}


def recorded() -> dict[str, dict[str, str]]:
    """Return what was recorded: the digest of the page and of the picture, by its name."""
    if not RECORD.exists():
        return {}
    found: dict[str, dict[str, str]] = json.loads(RECORD.read_text("utf-8"))
    return found
