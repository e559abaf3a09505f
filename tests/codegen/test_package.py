"""The generated package: complete, always the same, and never more than classes and fields."""

import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from coffrify_webhooks import events
from coffrify_webhooks_codegen import package
from coffrify_webhooks_codegen.catalog import load
from coffrify_webhooks_codegen.classes import render
from coffrify_webhooks_codegen.classes.source_guard import GuardedSource, UnsafeSourceError

BUNDLED = Path(events.__file__).parent


def shuffled(value, rng):
    if isinstance(value, dict):
        items = rng.sample(list(value.items()), len(value))
        return {key: shuffled(item, rng) for key, item in items}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def made(tmp_path, monkeypatch, *schemas, **entry):
    """Write a package for these schemas and import it."""
    data = [{"type": f"t{n}.x", "schema": schema} | entry for n, schema in enumerate(schemas)]
    name = f"made_{tmp_path.name}".replace("-", "_")
    package.write(load({"data": data}), tmp_path / name)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


def test_the_bundled_classes_are_those_of_the_bundled_catalog():
    """The bundled classes are those of the bundled catalog."""
    assert package.check(load(), BUNDLED) == []


def test_the_order_in_the_catalog_makes_no_difference():
    """The order of events and keys in the catalog makes no difference."""
    catalog = load()
    document = json.loads(json.dumps(catalog.document))
    rng = random.Random(7)
    document["data"] = rng.sample(document["data"], len(document["data"]))
    assert package.files(load(shuffled(document, rng))) == package.files(catalog)


@pytest.mark.parametrize("seed", [pytest.param("0", marks=pytest.mark.long), "4242"])
def test_neither_folder_nor_hash_seed_makes_a_difference(tmp_path, seed):
    """Neither the working directory nor the hash seed makes a difference."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.datamodel-codegen]\nclass-name = "Wrong"\n[tool.black]\nline-length = 20\n'
    )
    code = (
        "import sys; from pathlib import Path\n"
        "from coffrify_webhooks_codegen import catalog\n"
        "from coffrify_webhooks_codegen import package\n"
        "package.write(catalog.load(), Path('out'))\n"
        f"assert package.check(catalog.load(), Path({str(BUNDLED)!r})) == []\n"
    )
    path = os.pathsep.join(sys.path)
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True)
    for file in BUNDLED.glob("*.py"):
        assert (tmp_path / "out" / file.name).read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pyproject.toml"]


def test_what_a_second_catalog_has_in_common_is_not_generated_anew():
    """As when a poll finds one event changed; the text is the same."""
    shared = [{"type": f"once.e{n}", "schema": {"properties": {f"p{n}": {}}}} for n in range(3)]
    first = package.files(load({"data": shared}))
    before = render._generate.cache_info().misses
    second = package.files(load({"data": [*shared, {"type": "once.e3"}]}))
    assert render._generate.cache_info().misses == before + 1
    assert second["once_e1.py"] == first["once_e1.py"]


def test_a_check_names_every_file_that_differs(tmp_path):
    """A check names every file that is missing, changed or left over."""
    catalog, output = load(), tmp_path / "events"
    assert len(package.check(catalog, output)) == 39
    package.write(catalog, output)
    assert package.check(catalog, output) == []
    (output / "ping.py").unlink()
    (output / "_shared.py").write_text("")
    (output / "gone.py").write_text((output / "transfer_created.py").read_text())
    assert package.check(catalog, output) == ["_shared.py", "gone.py", "ping.py"]
    package.write(catalog, output)
    assert package.check(catalog, output) == []


def test_a_folder_of_foreign_modules_is_left_alone(tmp_path):
    """A folder that holds someone's own modules is left alone."""
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(FileExistsError, match=r"mine\.py"):
        package.write(load(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_import_is_light():
    """Importing the registry imports neither pydantic nor typing; a class comes when asked for."""
    code = (
        "import sys; import coffrify_webhooks.events as e\n"
        "heavy = {'pydantic', 'typing', 'datamodel_code_generator'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert e.TransferCreated.__name__ in dir(e) and 'pydantic' in sys.modules\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-S", "-c", code], env=env, check=True)


def test_every_name_of_the_registry_can_be_imported():
    """Every name that the registry lists can be imported from it; no other can."""
    for name in events.__all__:
        assert getattr(events, name) is not None
        assert name in dir(events)
    assert len(events.__all__) == 33 + 4 + 3
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = events.Nothing  # type: ignore[attr-defined]


def test_events_of_one_family_share_a_class():
    """Events of one family have one class for what they carry."""
    fields = {
        getattr(events, name).model_fields["data"].annotation
        for _, name in events.EVENTS.values()
        if name.startswith("Transfer")
    }
    assert fields == {events.Transfer}


def test_type_is_confirmed():
    """A body of another type does not fit."""
    with pytest.raises(ValidationError):
        events.TransferCreated.model_validate_json(b'{"type": "ping", "data": {"id": "x"}}')


def test_unknown_fields_and_new_values_are_kept():
    """Unknown fields and new values are kept."""
    body = {"id": "t", "status": "melted", "colour": "red", "scan_status": None}
    event = events.TransferCreated.model_validate({"type": "transfer.created", "data": body})
    assert event.data.status == "melted"
    assert event.data.model_extra == {"colour": "red"}


HOSTILE = [
    'x"""\nimport os\nos.system(\'touch pwned\')\n"""',
    "'''\nraise SystemExit\n'''",
    "\\",
    '"',
    "a\r\nb",
    "\u2028raise SystemExit",
    "__class__",
    "model_config",
    "model_dump",
    "copy",
    "class",
    "@id",
    "1st",
    "",
    "_private",
    "a.b",
    "a_b",
    "a-b",
    "é",
    "list",
    "str",
    "Timestamp",
    "EventModel",
    "Field",
    "date",
    "{{ 7 * 7 }}",
    "{% raw %}",
]


def test_names_and_descriptions_cannot_become_code(tmp_path, monkeypatch):
    """Names and descriptions cannot become code, and every field round-trips."""
    monkeypatch.chdir(tmp_path)
    inner = {"type": "object", "properties": {"v": {"type": "string"}}}
    schema = {
        "type": "object",
        "description": HOSTILE[0],
        "properties": {
            name: {"anyOf": [inner, {"type": "array", "items": inner}], "description": name}
            for name in HOSTILE
        }
        | {f"e{n}": {"enum": [name]} for n, name in enumerate(HOSTILE)}
        | {f"d{n}": {"type": "string", "format": "date"} for n in range(2)},
        "required": HOSTILE[:3],
    }
    module = made(tmp_path, monkeypatch, schema, schema, description=HOSTILE[0])
    data = {name: {"v": "x"} for name in HOSTILE}
    event = module.T0X.model_validate({"type": "t0.x", "data": data})
    assert event.model_dump(by_alias=True, exclude_unset=True)["data"] == data
    assert not event.data.model_extra
    assert not (tmp_path / "pwned").exists()


def test_values_beside_a_class(tmp_path, monkeypatch):
    """Known values may hold any quotes and slashes, also where a class is named before its time."""
    values = ["", "\\", '"', "'", "a\\n", "'\""]
    schema = {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#"}, {"enum": values}]}}}
    module = made(tmp_path, monkeypatch, schema)
    for value in values:
        event = module.T0X.model_validate({"type": "t0.x", "data": {"a": {"a": value}}})
        assert event.data.a.a == value


@pytest.mark.parametrize("name", ['q"uote.x', "it's.x", "back\\slash", "#(x)", "{{x}}", "any"])
def test_an_event_type_may_hold_any_printable_text(tmp_path, monkeypatch, name):
    """An event type may hold any printable text; the class takes that type and no other."""
    module = made(tmp_path, monkeypatch, {}, type=name)
    ((_, class_name),) = module.EVENTS.values()
    assert list(module.EVENTS) == [name]
    assert getattr(module, class_name).model_validate({"type": name}).type == name


def test_references_open_nothing_and_hooks_do_nothing(tmp_path, monkeypatch):
    """References open nothing, and hooks of the generator do nothing."""
    secret = tmp_path / "secret.json"
    secret.write_text('{"type": "object", "properties": {"leaked": {"type": "string"}}}')
    monkeypatch.chdir(tmp_path)
    opened = []
    real = Path.read_text

    def read_text(path, *arguments, **options):
        opened.append(path)
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read_text)
    refs = [
        "secret.json",
        f"file://{secret}",
        str(secret),
        "http://127.0.0.1:9/x",
        "shared.json#/$defs/X",
    ]
    schema = {
        "properties": {f"r{n}": {"$ref": ref} for n, ref in enumerate(refs)}
        | {
            "a": {"type": "string", "customTypePath": "os.system"},
            "b": {"type": "object", "customBasePath": "os.system", "properties": {"c": {}}},
            "d": {"type": "string", "x-python-type": "os.system"},
        }
    }
    text = "".join(package.files(load({"data": [{"type": "a.b", "schema": schema}]})).values())
    assert "leaked" not in text
    assert "system" not in text
    assert secret not in opened


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "X = 1",
        "class A(Event, frozen=True):\n    x: str = print()",
        "class A(Event, frozen=True):\n    x: print()",
        "class A(Event, frozen=True):\n    x: print",
        "from os import system",
        "class A(Event, frozen=True):\n    x: 'print()'",
        "class A(Event, frozen=True):\n    x: Annotated[str, Field(default=print())]",
        "class A(Event, frozen=True):\n    def f(self): ...",
        "class A(Event):\n    pass",
        "@print\nclass A(Event, frozen=True):\n    pass",
        "class B(Event, frozen=True):\n    pass",
    ],
)
def test_source_that_does_more_than_declare_is_refused(line):
    """Source that does more than declare the wanted classes is refused."""
    with pytest.raises(UnsafeSourceError):
        GuardedSource(f"from coffrify_webhooks.event import Event\n{line}", ["A"])


def test_definitions_that_differ_stay_with_their_events(tmp_path, monkeypatch):
    """Definitions that differ between events stay with their events; recursion works."""

    def schema(kind):
        node = {"properties": {"value": {"type": kind}, "next": {"$ref": "#/$defs/Node"}}}
        return {"$defs": {"Node": node}, "properties": {"node": {"$ref": "#/$defs/Node"}}}

    module = made(tmp_path, monkeypatch, schema("string"), schema("integer"))
    body = {"node": {"value": 1, "next": {"value": 2, "next": None}}}
    event = module.T1X.model_validate({"type": "t1.x", "data": body})
    assert event.data.node.next.value == 2
    with pytest.raises(ValidationError):
        module.T0X.model_validate({"type": "t0.x", "data": body})


def test_union_by_tag(tmp_path, monkeypatch):
    """Objects of a union are told apart by their tag; a new kind stays a dict."""
    kinds = [
        {"properties": {"kind": {"const": tag}, "v": {"type": "string"}}, "required": ["kind"]}
        for tag in "ab"
    ]
    module = made(tmp_path, monkeypatch, {"properties": {"u": {"oneOf": kinds}}})
    for tag in "ab":
        found = module.T0X.model_validate({"type": "t0.x", "data": {"u": {"kind": tag, "v": "x"}}})
        assert found.data.u.kind == tag
    found = module.T0X.model_validate({"type": "t0.x", "data": {"u": {"kind": "c"}}})
    assert found.data.u == {"kind": "c"}
