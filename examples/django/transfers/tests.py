"""The trail, tested by real deliveries: `python manage.py test`."""

import os

from django.test import LiveServerTestCase, TestCase

from coffrify_webhooks.testing import deliver, isolated
from coffrify_webhooks_sandbox import Sandbox

from .models import Entry


class TrailTest(TestCase):
    """Each test's rows are rolled back."""

    def setUp(self) -> None:
        self.enterContext(isolated())

    def test_each_event_of_a_transfer_is_a_row(self) -> None:
        for event in ("transfer.created", "transfer.downloaded", "transfer.deleted"):
            result = deliver(self.client, event, data={"id": "tr_1"})
            self.assertEqual(result.outcome, "handled")
        self.assertEqual(Entry.objects.filter(transfer="tr_1").count(), 3)
        self.assertContains(self.client.get("/"), "<td>tr_1</td>")

    def test_an_event_that_is_delivered_twice_is_one_row(self) -> None:
        result = deliver(self.client, "transfer.created", case="duplicate")
        self.assertEqual(result.outcome, "duplicate")
        self.assertEqual(Entry.objects.count(), 1)

    def test_what_the_sender_did_not_sign_leaves_no_row(self) -> None:
        for case in ("forged", "stale", "unsigned"):
            self.assertEqual(deliver(self.client, "transfer.created", case=case).status, 400)
        self.assertEqual(Entry.objects.count(), 0)


class SandboxTest(LiveServerTestCase):
    """The sender's side, over HTTP."""

    def test_what_the_sandbox_sends_is_there_once(self) -> None:
        secret = os.environ["COFFRIFY_WEBHOOK_SECRET"]
        with Sandbox() as sandbox:
            sandbox.create_endpoint(f"{self.live_server_url}/webhooks/coffrify", secret=secret)
            sandbox.trigger("transfer.created", fields={"id": "tr_1"})
            sandbox.settle()
            sandbox.trigger("transfer.created", fields={"id": "tr_2"}, manner="duplicate")
            sandbox.settle()
        self.assertEqual({entry.transfer for entry in Entry.objects.all()}, {"tr_1", "tr_2"})
        self.assertEqual(Entry.objects.count(), 2)
