"""The table of faults on the page of guarantees: each row names a test that is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "guarantees.md"


def rows() -> list[list[str]]:
    """Return the cells of each row of the table of faults."""
    text = PAGE.read_text().partition("## When something breaks")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_row_names_a_test_that_exists(row: list[str]) -> None:
    """Fault, what happens, how long and what to do are told, and the test is one of ours."""
    fault, *told, test = row
    assert fault
    assert len(told) == 3
    assert all(told)
    for each in test.split(", "):
        found = re.fullmatch(r"`([a-z_/]+\.py)::(test_\w+)`", each)
        assert found, each
        path, name = found.groups()
        assert re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE), each


def test_the_table_of_faults_has_rows() -> None:
    """An empty table would prove nothing."""
    assert len(rows()) > 10
