"""What several of the sandbox's tests need."""

from collections.abc import Iterator

import pytest
from tests.sandbox.hook import Hook


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()
