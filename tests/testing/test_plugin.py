"""The pytest plugin: its fixture, what it costs, and what a failing test shows."""

import subprocess
import sys
import unittest
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from coffrify_webhooks import Event, Receiver, Router
from coffrify_webhooks.events import TransferCreated
from coffrify_webhooks.testing import Kit, Result, isolated

pytest_plugins = "pytester"
PLUGIN = "coffrify_webhooks.testing.pytest_plugin"


@pytest.fixture
def receiver() -> Receiver:
    router = Router()

    @router.on("transfer.created")
    def handle(event: Event) -> None:
        if event.data.transfer_title == "broken":
            raise LookupError("no such customer")

    return Receiver("whsec_" + "5e" * 32, router=router, store="memory:")


def test_the_fixture_isolates_every_receiver(coffrify_kit: Kit, receiver: Receiver) -> None:
    """As the issue shows it."""
    result = coffrify_kit.deliver(receiver, "transfer.created", data={"title": "Contracts"})
    assert result.outcome == "handled"


def test_the_result_tells_what_the_handler_raised(coffrify_kit: Kit, receiver: Receiver) -> None:
    """Status, outcome, code, the exception with its traceback; from the user's frames on."""
    result = coffrify_kit.deliver(receiver, TransferCreated, data={"transfer_title": "broken"})
    assert (result.status, result.outcome, result.code) == (500, "failed", "handler_failed")
    assert isinstance(result.error, LookupError)
    assert result.event.data.transfer_title == "broken"
    text = str(result)
    first = "transfer.created (valid) to Receiver: 500 failed"
    assert text.splitlines()[0] == first
    assert "<locals>.handle raised on 'transfer.created'" in text
    frames = [line for line in text.splitlines() if line.strip().startswith("File ")]
    assert len(frames) == 1
    assert Path(__file__).name in frames[0]
    assert text.endswith("LookupError: no such customer")
    line = repr(result)
    assert line.startswith("<Result 500 failed (handler_failed): LookupError: no such customer at ")
    assert "\n" not in line


def test_the_result_explains_a_refusal(coffrify_kit: Kit, receiver: Receiver) -> None:
    """The cause and the remedy that the log has, and no traceback of ours."""
    for case, told in (("stale", "an old request sent again"), ("forged", "secret")):
        result = coffrify_kit.deliver(receiver, "transfer.created", case=case)  # type: ignore[call-overload]
        assert told in str(result)
        assert "Traceback" not in str(result)
        assert "\nproven: " in str(result) or "\nlikely: " in str(result), "as the doctor says"
        assert repr(result) == f"<Result 400 rejected ({result.code})>"


class TestInUnittest(unittest.TestCase):
    """The kit without pytest."""

    def test_a_test_case_enters_the_context(self) -> None:
        """Each test has one of its own, and ends it."""
        kit = self.enterContext(isolated())
        router = Router()
        router.on("*")(lambda event: None)
        result: Result[Event] = kit.deliver(Receiver(router=router), "transfer.created")
        assert result.outcome == "handled", result


def test_a_failing_test_shows_its_deliveries(pytester: pytest.Pytester) -> None:
    """Whatever was asserted; and the fixture needs no configuration, nor a secret."""
    pytester.makepyfile(
        """
        from coffrify_webhooks import Receiver, Router

        router = Router()

        @router.on("transfer.created")
        def announce(event):
            raise LookupError("no such customer")

        def test_it(coffrify_kit):
            receiver = Receiver(router=router)
            coffrify_kit.deliver(receiver, "transfer.created", case="forged")
            assert coffrify_kit.deliver(receiver, "transfer.created").outcome == "handled"

        def test_another(coffrify_kit):
            pass
        """
    )
    shown = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    shown.assert_outcomes(passed=1, failed=1)
    shown.stdout.fnmatch_lines(
        [
            "*Coffrify deliveries*",
            "transfer.created (forged) to Receiver: 400 rejected",
            "transfer.created (valid) to Receiver: 500 failed",
            '*raise LookupError("no such customer")',
        ]
    )
    assert [each.name for each in pytester.path.iterdir() if each.suffix == ".db"] == []


def test_the_plugin_is_found_by_pytest() -> None:
    """By its entry point, under a name of its own."""
    [found] = [each for each in entry_points(group="pytest11") if each.value == PLUGIN]
    assert found.name == "coffrify_webhooks_kit"


def test_the_plugin_imports_nothing_of_ours_until_it_is_used() -> None:
    """Beside itself only the two packages that hold it; no pydantic, no json."""
    code = (
        "import sys, pytest; before = {*sys.modules}; "
        f"import {PLUGIN}; print(*sorted({{*sys.modules}} - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    ours = ["coffrify_webhooks", "coffrify_webhooks._version", "coffrify_webhooks.testing", PLUGIN]
    assert ran.stdout.split() == ours


@pytest.mark.long
def test_xdist_runs_isolations_side_by_side(pytester: pytest.Pytester) -> None:
    """Two processes test one application in one folder, and leave no file."""
    pytester.makepyfile(
        app="""
        from coffrify_webhooks import Receiver, on

        @on("transfer.created")
        def announce(event): ...

        receiver = Receiver("whsec_5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e")
        """,
        test_it="""
        import pytest
        from app import receiver

        @pytest.mark.parametrize("number", range(8))
        def test_it(coffrify_kit, number):
            result = coffrify_kit.deliver(receiver, "transfer.created", id="evt_1")
            assert result.outcome == "handled"
        """,
    )
    pytester.runpytest_subprocess("-q", "-n", "2").assert_outcomes(passed=8)
    assert [*pytester.path.rglob("*.db")] == []
