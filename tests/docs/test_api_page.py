"""The pages of the API are in step with the code: every public name, with its text."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from docs.api_reference import FOLDER, page
from docs.api_source import MODULES, find, public

ROOT = Path(__file__).parents[2]
PAGES = [*MODULES]
PUBLIC = sorted(module for modules in MODULES.values() for module in modules)
INTERNAL = {"coffrify_webhooks_django.conf", "coffrify_webhooks_codegen"}
"""What a page imports to show what is behind, or for its modules alone."""


@pytest.mark.parametrize("name", PAGES)
def test_writing_the_api_again_changes_nothing(name: str) -> None:
    """The page holds what docs/api_reference.py writes; else `make reference`."""
    text = (FOLDER / name).read_text("utf-8")
    assert page(name, text) == text


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_has_a_section_and_a_text(module: str) -> None:
    """Those that the module itself says are public when it is imported."""
    names = import_module(module).__all__
    assert sorted(names) == sorted(public(module))
    [name] = [name for name, modules in MODULES.items() if module in modules]
    section = (FOLDER / name).read_text("utf-8").partition(f"\n## {module}\n")[2]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0].replace("\\_", "_")
    headings = re.findall(
        r"^### ([^\n]+)\n\n```py\n.+?\n```\n\n\w", section, re.MULTILINE | re.DOTALL
    )
    if module.endswith(".errors"):
        headings += [name for name in names if name in import_module("coffrify_webhooks").__all__]
    assert sorted(names) == sorted({*headings} & {*names})


def test_every_module_that_a_page_imports_from_has_its_section() -> None:
    """So that a reader can look up what an example uses."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    pattern = re.compile(r"^\s*from (coffrify_webhooks[\w.]*) import", re.MULTILINE)
    shown = {module for each in pages for module in pattern.findall(each.read_text("utf-8"))}
    assert sorted(shown - {*PUBLIC} - INTERNAL) == []


def test_a_name_that_is_defined_nowhere_is_not_found() -> None:
    """So that the pages cannot show what is not there."""
    assert find("coffrify_webhooks", "NoSuchName") is None
