"""The page of troubles has a section for each of the doctor's codes."""

import re
from pathlib import Path

from coffrify_webhooks.doctor.causes import CODES

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting.md"


def test_the_page_has_a_section_for_each_code_in_their_order() -> None:
    """And no code besides."""
    headings = re.findall(r"^## ([a-z0-9_]+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert headings == [*CODES]


def test_each_section_says_what_to_change() -> None:
    """A line or a block of code, or a sentence after `Change:`."""
    sections = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    for section in sections:
        if section.partition("\n")[0] in CODES:
            assert "\nChange: " in section or "```" in section, section
