"""Takes those pictures of the docs anew whose pages have changed: `make screenshots`.

They show the same in each run; the fonts are those of the machine (here Debian's fonts-inter and
fonts-jetbrains-mono). A test compares the record that is written beside with the pages as they are.
"""

import json
import logging

from playwright.sync_api import Browser
from tests.screenshots.palette import shrink
from tests.screenshots.record import RECORD, picture_digests, recorded, scenes
from tests.screenshots.shown import Shown, digest
from tests.web.chromium import chromium

MOST_BYTES = 150_000
PORTS = (4242, 8000, 8001)
"""Of the sandbox and of the receivers, as the pages show them."""


def take(browser: Browser, shown: Shown) -> None:
    """Write the picture of a page."""
    page = browser.new_page(
        viewport={"width": 1280, "height": 800},
        color_scheme="dark" if shown.is_dark else "light",
    )
    page.goto(shown.url)
    page.evaluate("document.fonts.ready")
    shown.prepare(page)
    shrink(browser, page.screenshot(animations="disabled"), shown.file)
    page.close()


def main() -> None:
    """Take those that are old or missing, and complain about one that has become too large."""
    logging.disable()  # what fails in them fails on purpose
    old, pictures = recorded(), picture_digests()
    with chromium() as browser, scenes(PORTS) as pages:
        digests = {shown.name: digest(shown) for shown in pages}
        for shown in pages:
            name = shown.name
            if old.get(name) == {"page": digests[name], "picture": pictures.get(name)}:
                continue
            take(browser, shown)
            size = shown.file.stat().st_size
            print(f"{shown.file.name} {size // 1000} kB")
            assert size < MOST_BYTES, shown.file
    pictures = picture_digests()
    record = {name: {"page": digests[name], "picture": pictures[name]} for name in sorted(digests)}
    RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
