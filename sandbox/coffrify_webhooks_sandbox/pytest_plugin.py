"""The pytest fixture `coffrify_sandbox`, in every project that has the extra installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sandbox import Sandbox

__all__ = ["coffrify_sandbox"]


@pytest.fixture
def coffrify_sandbox() -> Iterator[Sandbox]:
    """Give a test a `Sandbox` of its own: a real sender, on this machine."""
    from .sandbox import Sandbox  # only for those who use it

    with Sandbox() as sandbox:
        yield sandbox
