"""Schemas that nobody here wrote, with their instances, as what events carry."""

import copy
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from coffrify_webhooks.event import Event
from coffrify_webhooks.parsing.parse import parse
from coffrify_webhooks.parsing.registry import Registry
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.classes import package
from coffrify_webhooks_codegen.schema.lower import lower

REAL = Path(__file__).parent / "real"
FILES = [path for path in sorted(REAL.glob("*/*.json")) if path.name != "package.json"]
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in FILES]
TYPES = [f"real.case_{number}" for number in range(len(FILES))]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Make one package of all the schemas."""
    folder = tmp_path_factory.mktemp("real")
    data = [
        {"type": name, "schema": case["schema"]} for name, case in zip(TYPES, CASES, strict=True)
    ]
    # Modules that hide the types which the registry's own annotations are of.
    data += [{"type": name} for name in ("dict", "str", "tuple")]
    package.write(load({"data": data}), folder / "real_events")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))


def parsed(generated, name, instance):
    body = json.dumps({"id": "evt_1", "type": name, "data": instance}).encode()
    event = parse(body, registry=Registry("real_events"))
    assert isinstance(event, Event)
    assert (event.id, event.type, event.raw) == ("evt_1", name, body)
    return event


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


def test_extent():
    """There are enough of them, each with instances."""
    assert len(CASES) >= 60
    assert sum(len(case["valid"]) for case in CASES) >= 150


def test_none_is_too_large():
    """Nothing of them is cut off: the bounds are for what nobody wrote by hand."""
    for case in CASES:
        assert not [each for each in lower(case["schema"]).warnings if "too large" in each]


@pytest.mark.parametrize(
    ("name", "case"), list(zip(TYPES, CASES, strict=True)), ids=[path.stem for path in FILES]
)
def test_valid(generated, name, case):
    """What is valid by the schema becomes a typed event without issues."""
    validator = jsonschema.validators.validator_for(case["schema"])(case["schema"])
    for instance in case["valid"]:
        assert validator.is_valid(instance)
        event = parsed(generated, name, copy.deepcopy(instance))
        assert type(event) is Registry("real_events").get(name)
        assert event.issues == ()


@pytest.mark.parametrize(
    ("name", "case"), list(zip(TYPES, CASES, strict=True)), ids=[path.stem for path in FILES]
)
def test_nothing_is_lost(generated, name, case):
    """Whatever the data holds, there is an event; what is still valid has no issues."""
    validator = jsonschema.validators.validator_for(case["schema"])(case["schema"])
    chosen = min(case["valid"], key=lambda item: len(json.dumps(item)))
    for instance in [*case["invalid"], *list(mutants(chosen))[:60]]:
        event = parsed(generated, name, instance)
        assert not event.issues or not validator.is_valid(instance)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_types(generated, checker):
    """The classes of all of them pass the strict checkers."""
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
