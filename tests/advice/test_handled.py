"""Where handlers are found in the source, whichever form they have."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from coffrify_webhooks import Router
from coffrify_webhooks_codegen.advice.handled import Handled, handlers_of

SOURCE = """\
import functools

from coffrify_webhooks import Event, Router

router = Router()


def logged(fn):
    @functools.wraps(fn)
    def inner(*arguments):
        return fn(*arguments)

    return inner


@router.on("transfer.*", name="decorated")
@logged
def decorated(event: Event) -> None: ...


@router.on("ping", name="async")
async def awaited(happened): ...


class Shop:
    def method(self, event): ...

    def __call__(self, event): ...


router.on("ping", name="lambda")(lambda event: event.data)
router.on("ping", name="method")(Shop().method)
router.on("ping", name="object")(Shop())
router.on("ping", name="partial")(functools.partial(Shop.method, Shop()))
router.on("ping", name="builtin")(print)
"""


@pytest.fixture
def handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Handled]]:
    (tmp_path / "handled_forms.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    router: Router = import_module("handled_forms").router
    types = ["ping", "transfer.created", "transfer.deleted"]
    yield {each.name: each for each in handlers_of(router, types)}
    del sys.modules["handled_forms"]


def test_each_form_of_a_handler_is_found_at_its_lines(handlers: dict[str, Handled]) -> None:
    """What has no source is left out: it is told of by its name."""
    lines = SOURCE.splitlines()
    first = {name: lines[each.first_line - 1].strip() for name, each in handlers.items()}
    assert first == {
        "decorated": '@router.on("transfer.*", name="decorated")',
        "async": '@router.on("ping", name="async")',
        "lambda": 'router.on("ping", name="lambda")(lambda event: event.data)',
        "method": "def method(self, event): ...",
        "object": "def __call__(self, event): ...",
        "partial": "def method(self, event): ...",
    }


def test_the_parameter_of_the_event_is_known(handlers: dict[str, Handled]) -> None:
    """Its name, whether it has a type, and which types come there."""
    assert {name: each.event for name, each in handlers.items() if name != "partial"} == {
        **dict.fromkeys(("decorated", "lambda", "method", "object"), "event"),
        "async": "happened",
    }
    assert [name for name, each in handlers.items() if each.is_typed] == ["decorated"]
    assert handlers["decorated"].events == {"transfer.created", "transfer.deleted"}
    assert {each.module for each in handlers.values()} == {"handled_forms"}


def test_a_line_is_in_the_handler_that_spans_it(handlers: dict[str, Handled]) -> None:
    decorated = handlers["decorated"]
    assert decorated.holds(decorated.file, decorated.first_line)
    assert not decorated.holds(decorated.file, decorated.first_line - 1)
    assert not decorated.holds(Path("other.py"), decorated.first_line)


def test_a_partial_passes_over_what_it_binds(handlers: dict[str, Handled]) -> None:
    assert handlers["partial"].event == "event"
