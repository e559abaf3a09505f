"""What several of the sandbox's tests need."""

from collections.abc import Iterator

import pytest
from tests.sandbox.hook import Hook
from tests.sandbox.visitor import Client, Receiver

from coffrify_webhooks_sandbox import Endpoint, Sandbox


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def client(coffrify_sandbox: Sandbox) -> Client:
    return Client(coffrify_sandbox)


@pytest.fixture
def endpoint(coffrify_sandbox: Sandbox, receiver: Receiver) -> Endpoint:
    return coffrify_sandbox.serve(receiver)
