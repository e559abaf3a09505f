"""The site of the documentation, built as `make docs` does, in a real browser."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from tests.web.chromium import chromium

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.stem for page in (ROOT / "docs").glob("*.md"))

WIDEST = ["index", "guarantees"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the site, and serve it on loopback; a warning fails."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    built = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    serve = partial(Quiet, directory=str(folder / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize(
    ("width", "scheme", "names"),
    [(390, "light", PAGES), (390, "dark", WIDEST), (1280, "light", WIDEST), (1280, "dark", WIDEST)],
    ids=["telephone", "telephone at night", "desk", "desk at night"],
)
def test_pages_fit_and_ask_no_third_party(
    site: str, browser: Browser, width: int, scheme: Literal["light", "dark"], names: list[str]
) -> None:
    """On a telephone and a desk, by day and by night, without an error."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        page = context.new_page()
        asked, errors = set[str](), list[str]()
        page.on("request", lambda request: asked.add(request.url))
        page.on("console", partial(note_error, errors))
        wide = [name for name in names if is_wide(page, f"{site}/{name}.html")]
        assert wide == []
        assert errors == []
        assert [url for url in asked if not url.startswith((site, "data:"))] == []
    finally:
        context.close()


def note_error(errors: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        errors.append(message.text)


def is_wide(page: Page, address: str) -> bool:
    """Tell whether a page has to be scrolled sideways; tables and code scroll by themselves."""
    page.goto(address)
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


def test_the_search_finds_what_the_pages_say(site: str, browser: Browser) -> None:
    """By the keyboard alone."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.goto(f"{site}/index.html")
        page.keyboard.press("/")
        page.keyboard.type("dead letter")
        page.get_by_text("Inspect and replay").last.wait_for()
    finally:
        context.close()
