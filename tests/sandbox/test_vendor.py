"""Against the vendor's own: its Python client on our API, other libraries on our signatures."""

from collections.abc import Iterator

import pytest
import stripe
from coffrify import Coffrify
from coffrify.errors import CoffrifyAPIError
from coffrify.webhooks import verify_from_headers
from standardwebhooks import Webhook
from tests.sandbox.hook import Hook

from coffrify_webhooks import Verifier
from coffrify_webhooks_sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Coffrify]:
    made = Coffrify(sandbox.api_key, api_url=sandbox.url, max_retries=0)
    yield made
    made._session.close()


def test_the_vendors_client(sandbox: Sandbox, client: Coffrify, hook: Hook) -> None:
    """The vendor's client creates, lists, tests, reads, rotates, replays and deletes."""
    created = client.webhooks.create("Mine", hook.url, ["transfer.created"], "for a test")
    endpoint, secret = created["webhook"], created["secret"]
    assert endpoint["retry_policy"] == {"max_attempts": 12, "backoff_base_seconds": 30}
    assert [found["id"] for found in client.webhooks.list()["data"]] == [endpoint["id"]]
    assert secret not in str(client.webhooks.list())

    client.webhooks.test(endpoint["id"])
    client.webhooks.test(endpoint["id"], "transfer.deleted", {"id": "tr_1"})
    sandbox.settle()
    tested = {body[:200] for _, body in hook.came}
    assert len(tested) == 2
    assert all(headers["X-Coffrify-Test-Delivery"] == "true" for headers, _ in hook.came)

    hook.status = 500
    sandbox.trigger("transfer.created")
    sandbox.run_out()
    found = client.webhooks.deliveries(endpoint["id"], limit=10)["data"]
    assert [each["status"] for each in found] == ["dead_letter", "success", "success"]
    assert len(found[0]["attempts"]) == 12
    hook.status = 200

    rotated = client.webhooks.rotate_secret(endpoint["id"], grace_hours=1)
    assert rotated["secret"] != secret
    hook.came.clear()
    replay = client.webhooks.replay(found[0]["id"])["delivery"]
    assert (replay["event_id"], replay["replay_of"]) == (found[0]["event_id"], found[0]["id"])
    sandbox.settle()
    [(headers, body)] = hook.came
    assert headers["webhook-id"] == found[0]["event_id"]
    for key in (secret, rotated["secret"]):
        assert verify_from_headers(body.decode(), headers, key).valid

    renamed = client.webhooks.update(endpoint["id"], name="Yours", is_active=False)["webhook"]
    assert (renamed["name"], renamed["is_active"]) == ("Yours", False)
    client.webhooks.delete(endpoint["id"])
    assert client.webhooks.list()["data"] == []


def test_the_grace_of_a_rotation_ends(sandbox: Sandbox, client: Coffrify, hook: Hook) -> None:
    """When the grace is over, the old secret signs no more."""
    created = client.webhooks.create("Mine", hook.url, ["*"])
    rotated = client.webhooks.rotate_secret(created["webhook"]["id"], grace_hours=2)
    sandbox.skip(2 * 3600 + 1)
    sandbox.trigger("ping")
    sandbox.settle()
    [(headers, body)] = hook.came
    assert verify_from_headers(body.decode(), headers, rotated["secret"]).valid
    assert not verify_from_headers(body.decode(), headers, created["secret"]).valid


def test_other_libraries_believe_it(sandbox: Sandbox, hook: Hook) -> None:
    """The vendor's, Stripe's and Standard Webhooks' verifiers and ours accept each delivery."""
    endpoint = sandbox.create_endpoint(hook.url)
    sandbox.trigger("transfer.created", count=3)
    sandbox.settle()
    assert len(hook.came) == 3
    for headers, body in hook.came:
        assert verify_from_headers(body.decode(), headers, endpoint.secret).valid
        own = {"x-coffrify-signature": headers["X-Coffrify-Signature"]}
        assert verify_from_headers(body.decode(), own, endpoint.secret).valid
        signature = headers["X-Coffrify-Signature"]
        assert stripe.WebhookSignature.verify_header(body.decode(), signature, endpoint.secret, 300)
        assert Webhook(endpoint.secret).verify(body, headers)["type"] == "transfer.created"
        assert Verifier(endpoint.secret).verify(body, headers).scheme == "standard"


@pytest.mark.parametrize("encoding", ["hex", "base64", "text"])
def test_one_reading_of_the_secret(encoding: str, hook: Hook) -> None:
    """Told how a secret becomes a key, the sandbox signs with that reading and no other."""
    from typing import Any, cast

    from coffrify_webhooks import Secret, VerificationError

    with Sandbox(encoding=cast("Any", encoding)) as sandbox:
        endpoint = sandbox.create_endpoint(hook.url)
        sandbox.trigger("ping")
        sandbox.settle()
    [(headers, body)] = hook.came
    for reading in ("hex", "base64", "text"):
        verifier = Verifier(Secret(endpoint.secret, encoding=cast("Any", reading)))
        if reading == encoding:
            assert verifier.verify(body, headers).encoding == encoding
        else:
            with pytest.raises(VerificationError):
                verifier.verify(body, headers)


def test_errors_as_the_client_reads_them(client: Coffrify) -> None:
    """The vendor's client raises its own error, with code, message and request id."""
    with pytest.raises(CoffrifyAPIError) as raised:
        client.webhooks.create("Mine", "http://127.0.0.1:1/", ["transfer.creatd"])
    assert (raised.value.status, raised.value.code) == (400, "unknown_event_type")
    assert "transfer.created" in str(raised.value)
    assert raised.value.request_id.startswith("req_")


def test_sent_twice_and_done_once(client: Coffrify, hook: Hook) -> None:
    """A request that comes again under its idempotency key is answered the same, and not done."""
    body = {"name": "Mine", "url": hook.url, "events": ["*"]}
    first = client._request("POST", "/webhooks", json=body, idempotency_key="once")
    again = client._request("POST", "/webhooks", json=body, idempotency_key="once")
    assert first == again
    assert len(client.webhooks.list()["data"]) == 1
    with pytest.raises(CoffrifyAPIError, match="another request"):
        client._request("POST", "/webhooks", json={**body, "name": "x"}, idempotency_key="once")
