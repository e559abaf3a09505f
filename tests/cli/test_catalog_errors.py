"""What is wrong with a catalog: one line with the event and the place, exit code 2, no file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks.cli.group import commands

DEEP = "[" * 10**5 + "]" * 10**5
DIGITS = "9" * 5000
KEYS = '{"data": [{"type": "a.b", "schema": {"type": "object", "type": "object"}}]}'


def entries(*events: object) -> str:
    return json.dumps({"data": events})


def codegen(folder: Path, text: str) -> Result:
    (folder / "catalog.json").write_text(text, encoding="utf-8")
    arguments = ["codegen", "--catalog", folder / "catalog.json", "--output", folder / "events"]
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


ERRORS = {
    "no JSON": ("{'data'", "not valid JSON: line 1, column 2"),
    "a list": ("[]", "the catalog: the document should be an object, found a list"),
    "no events": ("{}", "the catalog: /data should be a list of events, found nothing"),
    "null": ('{"data": null}', "the catalog: /data should be a list of events, found null"),
    "empty": (entries(), "the catalog lists no event"),
    "same type": (
        entries({"type": "a.b"}, {"type": "a.b"}),
        "a.b: listed twice, at /data/0 and /data/1",
    ),
    "same class": (
        entries({"type": "a.b"}, {"type": "c"}, {"type": "a_b"}),
        "a_b: /data/2/type: it would be called AB, as a.b (/data/0/type) is;",
    ),
    "no type": (entries({}), "an event: /data/0/type should be printable text"),
    "type is null": (entries({"type": None}), "of 1 to 200 characters, found null"),
    "type is 7": (entries({"type": 7}), "/data/0/type should be printable text"),
    "long type": (entries({"type": "x" * 10**6}), "/data/0/type should be printable text"),
    "schema": (entries({"type": "a.b", "schema": []}), "a.b: /data/0/schema should be an object"),
    "deep": (f'{{"data": [{{"type": "a.b", "schema": {DEEP}}}]}}', "a.b: /data/0/schema/0/0/"),
    "digits": (
        f'{{"data": [{{"type": "a.b", "schema": {{"maximum": {DIGITS}}}}}]}}',
        "a.b: /data/0/schema/maximum is a number of 5000 digits",
    ),
    "keys": (KEYS, 'a.b: /data/0/schema has the key "type" twice'),
}


@pytest.mark.parametrize(("text", "said"), ERRORS.values(), ids=ERRORS)
def test_each_error_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Each is told in one short line that names event and place, and nothing is written."""
    ran = codegen(tmp_path, text)
    assert ran.exit_code == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert len(line) < 400
    assert "sys." not in line
    assert [each.name for each in tmp_path.iterdir()] == ["catalog.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data": [{"type": "a", "schema": {"\\u001b[31m": {"a": 1, "a": 1}}}]}', "\\x1b[31m"),
        (f'{{"data": [{{"type": "a", "schema": {{"\\u202e\\u0007": {DEEP}}}}}]}}', "\\u202e\\x07"),
        ('{"data": [{"type": "a\\u001b[2J"}]}', "\\u001b[2J"),
        ('{"data": [{"type": "a", "schema": {"a\\nb": {"\\u009b": 1, "\\u009b": 2}}}]}', "\\nb"),
    ],
)
def test_escape_sequences_do_not_reach_the_terminal(tmp_path: Path, text: str, said: str) -> None:
    """Whatever a catalog file holds, what is said of it is one printable line."""
    ran = codegen(tmp_path, text)
    assert ran.exit_code == 2
    assert ran.stderr.rstrip("\n").isprintable()
    assert said in ran.stderr


def test_escape_sequences_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """The same for the names lock, for files that differ, and for the folder's own name."""
    text = entries({"type": "a.b"})
    folder = tmp_path / "\x07\x9b"  # of other kinds, click takes them out by itself
    folder.mkdir()
    assert codegen(folder, text).exit_code == 0
    (folder / "events" / "\x07.py").touch()
    arguments = ["--catalog", folder / "catalog.json", "--output", folder / "events", "--check"]
    ran = CliRunner().invoke(commands, ["codegen", *map(str, arguments)])
    assert ran.exit_code == 1
    assert ran.output.replace("\n", "").isprintable()
    (folder / "events" / "names.json").write_text('{"events": {"\\u001b": 5}, "shared": []}')
    ran = codegen(folder, text)
    assert ran.exit_code == 2
    assert ran.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("levels", [60, 150, 240])
def test_a_deep_schema_becomes_classes(tmp_path: Path, levels: int) -> None:
    """A schema of many levels becomes classes, and what is not typed of it is told."""
    schema: dict[str, object] = {}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    ran = codegen(tmp_path, entries({"type": "a.b", "schema": schema}))
    assert ran.exit_code == 0
    said = "Warning: a.b: /data/0/schema: too deep: the rest is treated as any value"
    assert ran.stderr.splitlines() == [said]


def test_a_too_large_event_stops_no_other(tmp_path: Path) -> None:
    """An event that is too large for classes stops none of the others."""
    wide = {"type": "object", "properties": {f"p{n}": {} for n in range(6000)}}
    ran = codegen(tmp_path, entries({"type": "a.b", "json_schema": wide}, {"type": "c.d"}))
    assert ran.exit_code == 0
    said = "Warning: a.b: /data/0/json_schema: too large: the rest is treated as any value"
    assert ran.stderr.splitlines() == [said]
    assert "data: dict[str, Any]" in (tmp_path / "events" / "a_b.py").read_text()
    assert (tmp_path / "events" / "c_d.py").exists()


def test_of_many_warnings_the_first_are_shown(tmp_path: Path) -> None:
    """Of many warnings for one event the first few are told, and how many more there are."""
    refs = {f"p{n}": {"$ref": f"other.json#{n}"} for n in range(9)}
    ran = codegen(tmp_path, entries({"type": "a.b", "schema": {"properties": refs}}))
    (line,) = ran.stderr.splitlines()
    assert line.endswith("reference treated as any value: other.json#2; and 6 more")


def test_malformed_decoration_stops_no_event(tmp_path: Path) -> None:
    """Badges and the like that are malformed stop nobody."""
    odd = {"badges": 7, "family": [], "required_plan": {}, "description": 5, "stability": ["x"]}
    assert codegen(tmp_path, entries({"type": "a.b", "example": 1, **odd})).exit_code == 0


@pytest.mark.parametrize("inside", ["", "events"])
def test_output_is_a_file(tmp_path: Path, inside: str) -> None:
    """A file where the folder should be is told in one line, with the remedy or the place."""
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    (tmp_path / "catalog.json").write_text(entries({"type": "a.b"}))
    options = ["--catalog", str(tmp_path / "catalog.json"), "--output", str(file / inside)]
    ran = CliRunner().invoke(commands, ["codegen", *options])
    assert ran.exit_code == 2
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"Error: {file}")
    assert "--output" in line or "Not a directory" in line
    assert file.read_text() == "mine"
