"""The generated pages of settings, errors, notices and metrics are in step with the code."""

import inspect
from types import ModuleType
from typing import get_args

import pytest
from docs.errors_reference import kinds
from tests.docs.test_tables import codes, column, rows

from coffrify_webhooks import Receiver
from coffrify_webhooks.errors import VerificationError, WebhookError
from coffrify_webhooks.observe import OPERATIONS, Kind
from coffrify_webhooks.otel.metrics import METRICS
from docs import errors_reference, notices_reference, settings_reference

PAGES = [errors_reference, notices_reference, settings_reference]


@pytest.mark.parametrize("script", PAGES, ids=lambda script: script.PAGE.name)
def test_writing_the_page_again_changes_nothing(script: ModuleType) -> None:
    """The page holds what its script writes; else `make reference`."""
    text = script.PAGE.read_text("utf-8")
    assert script.page(text) == text


def test_each_setting_has_a_section_with_its_type_and_spelling() -> None:
    """In the order of the signature; only the clock is for Python alone."""
    text = settings_reference.PAGE.read_text("utf-8")
    options = [each for each in inspect.signature(Receiver).parameters if each != "unknown"]
    for name in options:
        section = text.partition(f"\n### {name}\n\n")[2].partition("\n### ")[0]
        assert section[:1].isupper(), name
        assert "- Type: `" in section, name
        assert "- Default: `" in section, name
        assert f"`Receiver({name}=...)`" in section, name
        assert (f'["{name.upper()}"]`' in section) == (name != "clock"), name
    headings = [line[4:] for line in text.splitlines() if line.startswith("### ")]
    assert headings == options


def test_each_error_code_has_a_meaning_a_reply_and_a_remedy() -> None:
    """All of them but those of the two base classes, which nothing raises."""
    text = errors_reference.PAGE.read_text("utf-8")
    every = {kind.code for kind in _below(WebhookError)} - {VerificationError.code}
    assert {kind.code for kind in kinds()} == every
    for code in every:
        section = text.partition(f"\n## {code}\n\n")[2].partition("\n## ")[0]
        assert section[:1].isupper(), code
        assert "\n- Reply: " in section, code
        assert "\n- Remedy: " in section, code


def test_every_notice_operation_and_metric_has_a_row() -> None:
    """With what it means."""
    facts = rows("notices.md", "| `notice.kind` | When | Level |")
    assert [codes(row[:1])[0] for row in facts] == [
        kind for kind in get_args(Kind) if kind not in OPERATIONS
    ]
    assert column(rows("notices.md", "| Operation | What it is |")) == list(OPERATIONS)
    metrics = rows("notices.md", "| Metric | In Prometheus | What it is | Other labels |")
    assert column(metrics) == [metric.name for metric in METRICS]
    assert all(len(row[1]) > 10 for row in facts)


def _below(kind: type[WebhookError]) -> set[type[WebhookError]]:
    found = {each for each in kind.__subclasses__() if each.__module__ == WebhookError.__module__}
    return found.union(*(_below(each) for each in found))
