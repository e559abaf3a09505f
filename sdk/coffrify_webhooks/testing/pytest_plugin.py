"""The pytest fixture `coffrify_kit`, and what a test that fails shows of its deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from .kit import Kit

__all__ = ["coffrify_kit"]

_NAME = "coffrify_kit"


@pytest.fixture
def coffrify_kit() -> Iterator[Kit]:
    """Isolate every receiver for a test: a store in memory, a clock that stands still, a secret.

    See `coffrify_webhooks.testing.isolated`, and docs/testing.md.
    """
    from .kit import isolated  # only for those who use it

    with isolated() as kit:
        yield kit


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what became of each delivery, with the tracebacks, beside a test that failed."""
    report = yield
    kit: Kit | None = getattr(item, "funcargs", {}).get(_NAME)
    if kit is not None and report.when == "call" and report.failed and kit.results:
        report.sections.append(("Coffrify deliveries", "\n\n".join(map(str, kit.results))))
    return report
