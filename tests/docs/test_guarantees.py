"""The tables of faults and of threats: each row names tests that are there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "guarantees.md"


SECURITY = TESTS.parent / "SECURITY.md"


def rows(page: Path = PAGE, heading: str = "## Failure modes") -> list[list[str]]:
    """Return the cells of each row of the table below a heading."""
    text = page.read_text().partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_row_names_a_test_that_exists(row: list[str]) -> None:
    """Fault, what happens, how long and what to do are told, and the test is one of ours."""
    fault, *told, test = row
    assert fault
    assert len(told) == 3
    assert all(told)
    assert_tests_exist(test)


@pytest.mark.parametrize("row", rows(SECURITY, "## Threat model"), ids=lambda row: row[1])
def test_each_threat_names_a_test_that_exists(row: list[str]) -> None:
    """Who tries what, what stops it, and the tests that show so."""
    assert len(row) == 4
    assert all(row)
    assert_tests_exist(row[3])


def assert_tests_exist(cell: str) -> None:
    for each in cell.split(", "):
        found = re.fullmatch(r"`([a-z_/]+\.py)::(test_\w+)`", each)
        assert found, each
        path, name = found.groups()
        assert re.search(rf"^ *(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE), (
            each
        )


def test_the_table_of_faults_has_rows() -> None:
    """An empty table would prove nothing."""
    assert len(rows()) > 10
    assert len(rows(SECURITY, "## Threat model")) > 15
