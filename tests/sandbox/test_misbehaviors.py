"""Each way in which the sender can misbehave, as a receiver of ours meets it."""

from collections.abc import Iterator

import pytest
from flask import Flask

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.observe import Notice
from coffrify_webhooks_sandbox import Sandbox, SandboxError
from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS

SECRET = "whsec_" + "cd" * 32


class Site:
    """A Flask application with a Receiver, and a sandbox that sends to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.handled: list[str] = []
        self.outcomes: list[str] = []
        router = Router()
        router.on("*", name="any")(lambda event: self.handled.append(str(event.id)))
        receiver = Receiver(SECRET, store="memory:", router=router, observers=[self._heard])
        app = Flask("manners")
        CoffrifyWebhooks(app, receiver)
        self.endpoint = sandbox.serve(app, secret=SECRET)

    def _heard(self, notice: Notice) -> None:
        if notice.kind == "replied" and notice.reply is not None:
            error = notice.reply.error
            self.outcomes.append(f"{notice.reply.outcome} {error.code if error else ''}".strip())


@pytest.fixture
def site() -> Iterator[Site]:
    with Sandbox() as sandbox:
        yield Site(sandbox)


CASES = {
    "": (["handled"], ["success"]),
    "duplicate": (["handled", "duplicate"], ["success", "success"]),
    "forged": (["rejected signature_mismatch"], ["failed"]),
    "stale": (["rejected timestamp_too_old"], ["failed"]),
    "future": (["rejected timestamp_too_new"], ["failed"]),
    "wrong-content-type": (["handled"], ["success"]),
    "slow-body": (["handled"], ["success"]),
    "new-fields": (["handled"], ["success"]),
    "missing-fields": (["handled"], ["success"]),
    "unknown-type": (["handled"], ["success"]),
}


@pytest.mark.parametrize("manner", CASES)
def test_each_manner_has_its_effect_at_the_receiver(site: Site, manner: str) -> None:
    """What comes of it at the receiver, and what the sandbox makes of the answer."""
    outcomes, statuses = CASES[manner]
    site.sandbox.trigger("transfer.created", manner=manner)
    site.sandbox.run_out()
    assert site.outcomes == outcomes
    assert [delivery.status for delivery in site.sandbox.deliveries()] == statuses
    assert len(site.handled) == outcomes.count("handled")


def test_a_truncated_body_is_sent_once_and_not_handled(site: Site) -> None:
    """A body that ends in the middle is not handled, and is sent once only."""
    site.sandbox.trigger("transfer.created", manner="truncated")
    site.sandbox.run_out()
    [delivery] = site.sandbox.deliveries()
    [attempt] = site.sandbox.attempts(delivery)
    assert (delivery.status, attempt.status) == ("failed", None)
    assert "cut off" in attempt.error
    assert site.handled == []


def test_two_at_the_same_moment_are_handled_once(site: Site) -> None:
    """Two of the same at the same moment are handled once, and both are taken in the end."""
    [event] = site.sandbox.trigger("transfer.created", manner="concurrent")
    site.sandbox.run_out()
    assert [delivery.status for delivery in site.sandbox.deliveries()] == ["success"] * 2
    assert site.handled == [event.id]


def test_out_of_order(site: Site) -> None:
    """Of several events the last one arrives first."""
    events = site.sandbox.trigger("transfer.created", count=4, manner="out-of-order")
    site.sandbox.run_out()
    assert site.handled == [event.id for event in events[::-1]]


def test_every_manner_is_shown_above() -> None:
    """No way of misbehaving is left untried."""
    assert {*CASES, "truncated", "concurrent", "out-of-order"} == {"", *MISBEHAVIORS}


def test_an_unknown_manner_is_refused_with_those_that_exist(site: Site) -> None:
    """A manner that does not exist is refused with those that do."""
    with pytest.raises(SandboxError, match="duplicate, concurrent"):
        site.sandbox.trigger("ping", manner="rude")
