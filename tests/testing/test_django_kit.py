"""The kit in Django's tests: its own database, and its test cases."""

import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.wsgi import get_wsgi_application
from django.db import IntegrityError, connections
from django.test import Client, TestCase, TransactionTestCase, override_settings
from tests.django_databases import migrated

from coffrify_webhooks import ConfigurationError, Event, Router
from coffrify_webhooks.testing import check_handlers, isolated
from coffrify_webhooks_django.conf import current_endpoint
from coffrify_webhooks_django.models import WebhookEvent
from coffrify_webhooks_django.store import DjangoStore

OURS = "coffrify_webhooks.django.CoffrifyWebhooksMiddleware"
SECRET = "whsec_" + "5e" * 32

router = Router()


def run_sql(statement: str, *parameters: str) -> list[Any]:
    with connections["file"].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def sales() -> list[str]:
    return [row[0] for row in run_sql("SELECT id FROM kit_sale ORDER BY id")]


@router.on("transfer.created", atomic=True)
def sell(event: Event) -> None:
    """Writes, and fails for a title."""
    run_sql("INSERT INTO kit_sale VALUES (%s)", str(event.id))
    if event.data.transfer_title == "broken":
        raise LookupError


@router.on("transfer.expired", atomic=True)
async def sell_async(event: Event) -> None:
    await sync_to_async(run_sql)("INSERT INTO kit_sale VALUES (%s)", str(event.id))
    if event.data.transfer_title == "broken":
        raise LookupError


@router.on("transfer.deleted")
async def sell_later(event: Event) -> None:
    await sync_to_async(run_sql)("INSERT INTO kit_sale VALUES (%s)", str(event.id))


@pytest.fixture(autouse=True)
def _site(tmp_path: Path) -> Iterator[None]:
    """Django with its own database as the store, and a table of the user's."""
    options = {"SECRETS": SECRET, "ROUTER": router, "STORE": "django:file"}
    with (
        migrated("file", tmp_path / "db"),
        override_settings(COFFRIFY_WEBHOOKS=options, MIDDLEWARE=[OURS]),
    ):
        run_sql("CREATE TABLE kit_sale (id TEXT)")
        yield


def test_a_receiver_made_before_is_isolated_and_then_as_before() -> None:
    """Its store is Django's own database, whose tables stay empty."""
    receiver = current_endpoint().receiver
    store = receiver.store
    assert isinstance(store, DjangoStore)
    with isolated() as kit:
        assert current_endpoint().receiver is receiver
        assert not isinstance(receiver.store, DjangoStore)
        assert kit.deliver(Client(), "transfer.deleted", case="duplicate").outcome == "duplicate"
    assert receiver.store is store
    assert WebhookEvent.objects.using("file").count() == 0
    assert len(sales()) == 1


@pytest.mark.parametrize("event", ["transfer.created", "transfer.expired"])
def test_an_atomic_handler_is_rolled_back_in_the_real_database(event: str) -> None:
    """Sync and async, as in production; what it wrote before it raised is gone."""
    with isolated() as kit:
        kit.deliver(Client(), event, id="evt_1")
        failed = kit.deliver(Client(), event, id="evt_2", data={"transfer_title": "broken"})
    assert (failed.outcome, type(failed.error)) == ("failed", LookupError)
    assert sales() == ["evt_1"]


def test_a_check_rolls_back_what_handlers_write() -> None:
    """Sync and async ones; and the second run sees what the first has written."""
    run_sql("CREATE UNIQUE INDEX kit_once ON kit_sale (id)")
    with override_settings(MIDDLEWARE=[OURS]):
        report = check_handlers(get_wsgi_application(), examples=2)
    assert {each.kind for each in report.findings} == {"second_run"}
    assert {type(each.error) for each in report.findings} == {IntegrityError}
    assert [each.line for each in report.findings] == [
        each.__code__.co_firstlineno for each in (sell, sell_async, sell_later)
    ]
    assert __file__ in str(report).partition("IntegrityError")[2]
    assert sales() == []


def test_a_check_before_the_migrations_says_so() -> None:
    run_sql("DROP TABLE kit_sale")
    report = check_handlers(get_wsgi_application(), examples=1)
    assert "no such table" in str(report)
    assert "run your migrations before the check" in str(report)


class InATestCase(TestCase):
    """Run by the test below, in the settings of the fixture."""

    databases = {"file"}  # noqa: RUF012 - as Django has it

    def test_what_handlers_write_is_rolled_back(self) -> None:
        kit = self.enterContext(isolated())
        for event in ("transfer.created", "transfer.deleted"):
            result = kit.deliver(self.client, event)
            assert result.outcome == "handled", result
        assert len(sales()) == 2

    def test_two_threads_in_its_transaction_are_refused(self) -> None:
        kit = self.enterContext(isolated())
        with pytest.raises(ConfigurationError, match="TransactionTestCase"):
            kit.deliver(self.client, "transfer.deleted", case="concurrent")
        assert sales() == []

    async def test_async_tests_deliver_by_the_async_function(self) -> None:
        kit = self.enterContext(isolated())
        for client in (self.client, self.async_client):
            for event in ("transfer.created", "transfer.deleted"):
                result = await kit.deliver_async(client, event)
                assert result.outcome == "handled", result
        assert len(await sync_to_async(sales)()) == 4


class InATransactionTestCase(TransactionTestCase):
    """Likewise, where threads see what the test has written."""

    databases = {"file"}  # noqa: RUF012
    available_apps = []  # noqa: RUF012

    def test_two_at_the_same_moment_run_in_two_threads(self) -> None:
        kit = self.enterContext(isolated())
        one, two = kit.deliver(self.client, "transfer.created", case="concurrent")
        assert one.outcome == "handled", one
        assert two.outcome in ("busy", "duplicate"), two
        assert len(sales()) == 1


@pytest.mark.parametrize("case", [InATestCase, InATransactionTestCase])
def test_the_test_cases_of_django_use_the_kit(case: type[unittest.TestCase]) -> None:
    """Sync, async, and with threads; afterwards a TestCase has left nothing."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    assert [text for _, text in (*result.errors, *result.failures)] == []
    assert case is InATransactionTestCase or sales() == []


InATestCase.__test__ = InATransactionTestCase.__test__ = False  # type: ignore[attr-defined]
