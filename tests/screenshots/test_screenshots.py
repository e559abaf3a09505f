"""The pictures of the docs show the pages as they are, on any machine, and without a browser."""

import re
from typing import Any

from tests.screenshots.record import picture_digests, recorded, scenes
from tests.screenshots.shown import FOLDER, Shown, digest

from coffrify_webhooks_sandbox.background import serve_in_thread

AGAIN = "a page has changed since its picture was taken: run `make screenshots`, and look at them"


def test_the_pictures_of_the_docs_show_the_pages_as_they_are() -> None:
    with scenes() as pages:
        digests = {shown.name: digest(shown) for shown in pages}
    old = [name for name, page in digests.items() if recorded().get(name, {}).get("page") != page]
    assert old == [], AGAIN


def test_each_picture_is_the_one_that_was_taken_and_is_used() -> None:
    pictures = picture_digests()
    assert pictures == {name: each["picture"] for name, each in recorded().items()}, AGAIN
    text = "".join(page.read_text("utf-8") for page in FOLDER.parent.glob("*.md"))
    assert set(re.findall(r"\(images/([\w-]+)\.png\)", text)) == set(pictures)


def test_a_digest_changes_with_the_page_and_its_styles_and_not_with_the_machine() -> None:
    files = {"/": 'at PORT <link href="/static/a.css"> since DATE', "/static/a.css": "p {}"}
    shown: list[str] = []

    def answer(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return [files[environ["PATH_INFO"]].encode()]

    page = files["/"]
    for date in ("Sat, 28 Nov 2026 13:00:00 GMT", "Sun, 29 Nov 2026 09:30:00 GMT"):
        with serve_in_thread(answer) as port:
            files["/"] = page.replace("PORT", f"127.0.0.1:{port}").replace("DATE", date)
            shown.append(digest(Shown("page", f"http://127.0.0.1:{port}/")))
            shown.append(digest(Shown("page", f"http://127.0.0.1:{port}/", is_dark=True)))
    files["/"] += "more"
    with serve_in_thread(answer) as port:
        shown.append(digest(Shown("page", f"http://127.0.0.1:{port}/")))
        files["/static/a.css"] = "p { color: red }"
        shown.append(digest(Shown("page", f"http://127.0.0.1:{port}/")))
    assert shown[:2] == shown[2:4]
    assert len(set(shown)) == 4
