"""What the pages' tables list is what the code has, and nothing else."""

import dataclasses
import logging
import re
from pathlib import Path
from typing import get_args

import click
import pytest

from coffrify_webhooks import errors
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.http.reply import Outcome
from coffrify_webhooks.monitoring.log import log
from coffrify_webhooks.observe import Notice
from coffrify_webhooks.signature.secret import SECRET_VARIABLE
from coffrify_webhooks.stores import STORE_VARIABLE
from coffrify_webhooks.stores.record import Status
from coffrify_webhooks.testing.case_names import CASES
from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS

ROOT = Path(__file__).parents[2]

ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.WebhookError)
]
NEVER_IN_A_REPLY = {"error", "verification_failed", "not_replayable", "bad_message"}
IN_A_REPLY = {
    (kind.code, kind.outcome, str(kind.status))
    for kind in ERRORS
    if kind.code not in NEVER_IN_A_REPLY
}

ELSEWHERE = {"--store", "--app"}
"""Options of many commands, which have a section of their own."""


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table whose first line is `heading`."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    _, found, rest = text.partition(f"{heading}\n|---")
    assert found, f"{page} has no table {heading}"
    lines = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def codes(cells: list[str]) -> list[str]:
    """Return what is written as code in some cells."""
    return [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def column(table: list[list[str]], number: int = 0) -> list[str]:
    """Return what is written as code in a column, each once in its row."""
    return codes([row[number] for row in table])


def test_the_fields_of_an_operation_are_all_listed() -> None:
    """Each that a fact does not have."""
    fields = [field.name for field in dataclasses.fields(Notice)]
    listed = column(rows("monitoring.md", "| Field of an operation | Holds |"))
    assert listed == [*fields[fields.index("phase") :], "error"]


def test_the_fields_of_a_log_record_are_all_listed(caplog: pytest.LogCaptureFixture) -> None:
    """A record has just those of the table."""
    with caplog.at_level(logging.INFO, "coffrify_webhooks"):
        log(Notice("executed", "default", "text"))
    has = {name for name in vars(caplog.records[-1]) if name.startswith("webhook_")}
    assert set(column(rows("monitoring.md", "| Field | Holds |"))) == has


def test_the_refusals_are_all_listed() -> None:
    """Every error of verification has its likely cause."""
    table = rows("signatures.md", "| `error.code` | Class | Likely cause |")
    listed = {tuple(codes(cells[:2])) for cells in table}
    kinds = [kind for kind in ERRORS if issubclass(kind, errors.VerificationError)]
    assert listed == {
        (kind.code, kind.__name__) for kind in kinds if kind is not errors.VerificationError
    }


def test_the_outcomes_are_all_listed() -> None:
    """With every status that a reply of each can have."""
    table = rows("guarantees.md", "| What happened | `reply.outcome` | Status |")
    assert set(column(table, 1)) == set(get_args(Outcome))
    listed = {(codes(cells[1:2])[0], cells[2]) for cells in table}
    assert {each for each in listed if each[1] not in ("200", "")} == {
        (outcome, status) for _, outcome, status in IN_A_REPLY
    }


def test_the_statuses_of_an_event_are_all_listed() -> None:
    """As the commands show them."""
    table = rows("operating.md", "| Status | What it means |")
    assert sorted(column(table)) == sorted(get_args(Status))


def test_the_variables_are_all_listed() -> None:
    """Those that a receiver reads."""
    table = rows("settings.md", "| Variable | What it is |")
    assert column(table)[:2] == [SECRET_VARIABLE, STORE_VARIABLE]


def test_the_checks_of_django_are_all_listed() -> None:
    """Each id that the code gives has a row."""
    folder = ROOT / "integrations" / "coffrify_webhooks_django"
    source = "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    found = re.findall(r'"(?:coffrify_webhooks\.)?([EW]\d{3})"', source)
    ids = {f"coffrify_webhooks.{each}" for each in found}
    assert sorted(column(rows("django.md", "| Id | Means |"))) == sorted(ids)


def test_the_permissions_in_django_are_all_listed() -> None:
    """Those of the model, by their whole names; to look is Django's own."""
    models = ROOT / "integrations" / "coffrify_webhooks_django" / "models.py"
    own = re.findall(r'"(\w+_webhookevent)"', models.read_text("utf-8"))
    listed = column(rows("django.md", "| Permission | Allows |"))
    assert listed == [f"coffrify_webhooks.{code}" for code in ("view_webhookevent", *own)]


def test_the_cases_of_the_testing_kit_are_all_listed() -> None:
    """Each that `deliver` takes."""
    table = rows("testing.md", "| `case=` | Sends | Outcome |")
    assert sorted(column(table)) == sorted(CASES)


@pytest.mark.parametrize(
    ("page", "heading", "words"),
    [
        ("operating.md", "| Option | What is listed |", ("events", "list")),
        ("sandbox-reference.md", "| option | |", ("sandbox",)),
    ],
)
def test_the_options_of_a_command_are_all_listed(
    page: str, heading: str, words: tuple[str, ...]
) -> None:
    """But for those that name the store, which a section of their own has."""
    command: click.Command = commands
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    options = {option for each in command.params for option in each.opts if option[:2] == "--"}
    listed = {code.split()[0] for code in column(rows(page, heading)) if code[:2] == "--"}
    assert listed == options - ELSEWHERE


def test_the_ways_to_misbehave_are_all_listed() -> None:
    """As the sandbox knows them."""
    table = rows("sandbox-reference.md", "| HOW | How a receiver of this package reacts |")
    assert sorted(column(table)[: len(MISBEHAVIORS)]) == sorted(MISBEHAVIORS)
