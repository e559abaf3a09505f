"""What the fuzzer starts from, and what it has found: each input keeps the promises."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
INPUTS = sorted(CORPUS.glob("*/*"))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nobody reads what each refused input logs."""
    logger = logging.getLogger("coffrify_webhooks")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_of_the_corpus_breaks_no_promise(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_each_target_has_inputs_and_they_are_small() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)
    assert max(path.stat().st_size for path in INPUTS) < 10_000


def test_a_broken_promise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that believes all is found by the first forged input."""
    from tests.fuzz import targets

    class Gullible:
        def verify(self, body: bytes, headers: object) -> object:
            del headers
            return type("Delivery", (), {"body": body})

    monkeypatch.setattr(targets, "_verifier", Gullible())
    with pytest.raises(AssertionError):
        targets.verify(b"webhook-id:evt_1\n\n{}")
