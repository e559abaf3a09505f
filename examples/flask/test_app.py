"""The trail, tested by real deliveries: `pytest`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import trail
from app import create_app
from coffrify_webhooks.testing import Case, Kit
from coffrify_webhooks_sandbox import Sandbox

SECRET = "whsec_only_for_these_tests"


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a database of its own."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/audit.db")
    monkeypatch.setattr(trail, "engine", engine)
    monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", SECRET)
    yield
    engine.dispose()


def test_each_event_of_a_transfer_is_a_row(coffrify_kit: Kit) -> None:
    app = create_app()
    for event in ("transfer.created", "transfer.downloaded", "transfer.deleted"):
        assert coffrify_kit.deliver(app, event, data={"id": "tr_1"}).outcome == "handled"
    assert {row.what.partition(".")[2] for row in trail.newest()} == {
        "created",
        "downloaded",
        "deleted",
    }
    assert "<td>tr_1" in trail.page()


def test_an_event_that_is_delivered_twice_is_one_row(coffrify_kit: Kit) -> None:
    result = coffrify_kit.deliver(create_app(), "transfer.created", case="duplicate")
    assert result.outcome == "duplicate"
    assert len(trail.newest()) == 1


@pytest.mark.parametrize("case", ["forged", "stale", "unsigned"])
def test_what_the_sender_did_not_sign_leaves_no_row(coffrify_kit: Kit, case: Case) -> None:
    assert coffrify_kit.deliver(create_app(), "transfer.created", case=case).status == 400
    assert trail.newest() == []


def test_a_name_that_holds_html_is_shown_as_text(coffrify_kit: Kit) -> None:
    coffrify_kit.deliver(create_app(), "transfer.created", data={"id": "<script>"})
    assert "<td>&lt;script&gt;" in trail.page()


def test_what_the_sandbox_sends_over_http_is_there_once(coffrify_sandbox: Sandbox) -> None:
    coffrify_sandbox.serve(create_app(), secret=SECRET)
    coffrify_sandbox.trigger("transfer.created", fields={"id": "tr_1"})
    coffrify_sandbox.settle()
    coffrify_sandbox.trigger("transfer.created", fields={"id": "tr_2"}, manner="duplicate")
    coffrify_sandbox.settle()
    assert sorted(row.transfer for row in trail.newest()) == ["tr_1", "tr_2"]
