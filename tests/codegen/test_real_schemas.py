"""Schemas that nobody here wrote, with their instances, as what events carry."""

import copy
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.budgets import budget

from coffrify_webhooks.event import Event
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.schema.lower import lower

REAL = Path(__file__).parent / "real"
FILES = [path for path in sorted(REAL.glob("*/*.json")) if path.name != "package.json"]
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FILES}
LARGEST = ("cj-travis", "cj-drone-ci")
ROOT = Path(__file__).parents[2]
SHADOWS = [{"type": name} for name in ("dict", "str", "tuple")]
"""Modules that hide the types which the registry's own annotations are of."""


@dataclass(frozen=True)
class Real:
    """A schema with its instances, and the package that was made of it."""

    schema: Any
    valid: list[Any]
    invalid: list[Any]
    registry: Registry

    def is_valid(self, instance: Any) -> bool:
        validator = jsonschema.validators.validator_for(self.schema)
        return validator(self.schema).is_valid(instance)

    def parse(self, instance: Any) -> Event:
        body = json.dumps({"id": "evt_1", "type": "real.case", "data": instance}).encode()
        event = parse(body, registry=self.registry)
        assert isinstance(event, Event)
        assert (event.id, event.type, event.raw) == ("evt_1", "real.case", body)
        return event


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.long) if name in LARGEST else name for name in CASES
    ],
)
def real(request, tmp_path_factory):
    """Make a package of one schema, for all tests of it."""
    case = CASES[request.param]
    name = f"real_{[*CASES].index(request.param)}"
    folder = tmp_path_factory.mktemp("real")
    catalog = load({"data": [{"type": "real.case", "schema": case["schema"]}, *SHADOWS]})
    package.write(catalog, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Real(case["schema"], case["valid"], case["invalid"], Registry(name))


def mutants(value):
    """Yield the instance with one part of it at a time gone or replaced."""
    if isinstance(value, dict) and value:
        for key in list(value)[:6]:
            yield {name: item for name, item in value.items() if name != key}
            others: list[object] = [None, 7, "x", [], {"x": [1]}]
            for other in others:
                yield {**value, key: other}
            for inner in list(mutants(value[key]))[:8]:
                yield {**value, key: inner}
    if isinstance(value, list) and value:
        yield [*value, None]
        for inner in list(mutants(value[0]))[:4]:
            yield [inner, *value[1:]]
    yield from (None, 7, "x", [], {})


def test_there_are_enough_schemas_each_with_instances():
    """There are enough of them, each with instances."""
    assert len(CASES) >= 60
    assert sum(len(case["valid"]) for case in CASES.values()) >= 150


def test_no_real_schema_is_too_large():
    """Nothing of them is cut off: the bounds are for what nobody wrote by hand."""
    for case in CASES.values():
        assert not [each for each in lower(case["schema"]).warnings if "too large" in each]


def test_a_valid_instance_becomes_a_typed_event_without_issues(real):
    """What is valid by the schema becomes an event of its class."""
    for instance in real.valid:
        assert real.is_valid(instance)
        event = real.parse(copy.deepcopy(instance))
        assert type(event) is real.registry.get("real.case")
        assert event.issues == ()


def test_whatever_the_data_holds_there_is_an_event(real):
    """What is still valid has no issues, what is not is kept."""
    chosen = min(real.valid, key=lambda item: len(json.dumps(item)))
    for instance in [*real.invalid, *list(mutants(chosen))[:60]]:
        event = real.parse(instance)
        assert not event.issues or not real.is_valid(instance)


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Make one package of several schemas, before a release of all."""
    folder = tmp_path_factory.mktemp("real")
    chosen = [CASES[name] for name in CASES if name not in LARGEST][:: budget(8, 1)]
    chosen += [CASES[name] for name in LARGEST[: budget(0, len(LARGEST))]]
    data = [{"type": f"real.case_{n}", "schema": case["schema"]} for n, case in enumerate(chosen)]
    package.write(load({"data": data + SHADOWS}), folder / "real_events")
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [pytest.param("mypy", marks=pytest.mark.long), "pyright"])
def test_the_classes_pass_a_strict_checker(generated, checker):
    """The classes of real schemas are without an error under strict rules."""
    package_folder = generated / "real_events"
    (generated / "pyrightconfig.json").write_text(
        json.dumps({"include": ["real_events"], "typeCheckingMode": "strict"})
    )
    commands = {
        "mypy": [
            "mypy",
            "--strict",
            "--cache-dir",
            os.devnull,
            "--config-file",
            os.devnull,
            package_folder,
        ],
        "pyright": [
            "pyright",
            "--warnings",
            "--project",
            generated,
            "--pythonpath",
            sys.executable,
        ],
    }
    paths = os.pathsep.join([str(ROOT / "sdk")])
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, commands[checker])],
        cwd=generated,
        env={**os.environ, "MYPYPATH": paths, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-1000:]
