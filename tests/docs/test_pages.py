"""The pages hang together: each is in the navigation, and each link leads somewhere."""

import re
import tomllib
from pathlib import Path

import pytest
from docs.llms_txt import PAGE as LLMS
from docs.llms_txt import page as llms

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings can be reached by."""
    text = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {
        re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", each.lower()).strip()) for each in headings
    }


def test_the_navigation_lists_every_page() -> None:
    """mkdocs.yml names each page once."""
    listed = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(listed) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file that is there, and a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, fragment = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), target
        assert not fragment or fragment in anchors(linked), target


def test_the_readme_has_no_link_that_the_package_index_would_break() -> None:
    """Its links are absolute; a page of this repository is named by its path."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert [to for to in re.findall(r"\]\(([^)]+)\)", text) if not to.startswith("https://")] == []
    named = re.findall(r"`((?:docs/)?[\w-]+\.md)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    unnamed = {f"docs/{page.name}" for page in PAGES} - set(named)
    assert unnamed == {"docs/index.md"}, "each page can be found from there"


def test_llms_txt_lists_what_the_navigation_has() -> None:
    """docs/llms.txt holds what docs/llms_txt.py writes; else `make reference`."""
    assert LLMS.read_text("utf-8") == llms()
    for page in PAGES:
        assert f"]({page.name}): " in llms()


def test_the_metadata_has_absolute_addresses() -> None:
    """The package index shows them beside the README."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]
    assert all(url.startswith("https://") for url in project["urls"].values())
