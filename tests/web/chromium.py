"""A real Chromium, from Debian's package, driven by Playwright's Python package."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["chromium"]

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def _missing() -> NoReturn:
    """Skip the test; not in CI, where it is a failure."""
    text = "Chromium is not installed; run: apt-get install chromium-headless-shell"
    if os.environ.get("CI"):
        raise RuntimeError(text)
    pytest.skip(text)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a Chromium that asks nobody for anything; stops it at the end."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        _missing()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-background-networking", "--disable-lcd-text"],
        )
        try:
            yield browser
        finally:
            browser.close()
