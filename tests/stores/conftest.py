"""What tests of faults leave behind is collected where it was left, and not in a later test."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def leftovers() -> Iterator[None]:
    """Let connections that a fault has broken end unclosed, until all of the module's are gone."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
