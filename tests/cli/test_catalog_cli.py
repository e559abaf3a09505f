"""The command line's catalog: pulled, shown, and what is said when it cannot be."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.codegen.server import KEY, Api, document, serving

from coffrify_webhooks.cli import catalog_show
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks_codegen.catalog import client

TWO = document("a.b", "c.d")


@pytest.fixture
def api(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COFFRIFY_API_KEY", KEY)
    with serving() as api:
        monkeypatch.setenv("COFFRIFY_API_URL", api.url)
        yield api


def run(*arguments: object, status: int = 0) -> Result:
    """Run a command; whatever it prints, the key is not in it."""
    ran = CliRunner().invoke(commands, [str(argument) for argument in arguments])
    assert ran.exit_code == status, ran.output
    assert KEY not in ran.output
    return ran


def told(ran: Result) -> str:
    """The one line on stderr."""
    (line,) = ran.stderr.splitlines()
    return line


# --- pull ---


def test_pull_to_stdout(api: Api) -> None:
    """Without a file the catalog goes to stdout, and the count to stderr."""
    api.say(200, TWO)
    ran = run("catalog", "pull")
    assert json.loads(ran.stdout) == TWO
    assert told(ran) == "2 events"


def test_pull_to_file(api: Api, tmp_path: Path) -> None:
    """A file is written whole, and what changed since is counted."""
    path = tmp_path / "catalog.json"
    api.say(200, TWO).say(200, TWO).say(200, document("c.d", "e.f", note="x"))
    assert run("catalog", "pull", "-o", path).output == f"2 events in {path}\n"
    assert json.loads(path.read_text()) == TWO
    before = path.stat()
    assert run("catalog", "pull", "-o", path).output == f"2 events in {path}; nothing changed\n"
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    ran = run("catalog", "pull", "-o", path)
    assert ran.output == f"2 events in {path}; 1 added, 1 removed, 0 changed\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cache", "catalog.json"]


def test_options_of_pull_come_before_the_environment(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Options come before the environment; without a cache none is made."""
    monkeypatch.setenv("COFFRIFY_API_URL", "http://127.0.0.1:9")
    api.say(200, TWO)
    run("catalog", "pull", "--api-key", "other", "--api-url", f"{api.url}/", "--no-cache")
    assert api.asked[0][1]["authorization"] == "Bearer other"
    assert list(tmp_path.iterdir()) == []


def test_an_unchanged_catalog_is_served_from_the_cache(api: Api) -> None:
    """The copy in the cache folder serves when the API says that nothing changed."""
    api.say(200, TWO, ETag='"1"').say(304)
    assert run("catalog", "pull").stdout == run("catalog", "pull").stdout
    assert api.asked[1][1]["if-none-match"] == '"1"'


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": {"code": "bad_key", "message": KEY}}, "answered 401: bad_key"),
        (403, None, "answered 403"),
        (404, None, "answered 404"),
        (429, None, "answered 429; try again in 7 seconds"),
        (200, [], "should be an object"),
        (200, {"data": [{"type": "a.b"}, {"type": "a.b"}]}, "a.b: listed twice"),
        (200, {"data": [{"type": "a.b", "schema": 7}]}, "a.b: /data/0/schema"),
        (302, None, "answered 302"),
    ],
)
def test_a_refused_pull_leaves_the_file_as_it_was(
    api: Api, tmp_path: Path, status: int, body: object, said: str
) -> None:
    """An error is one line, exits 2, and leaves the file as it was."""
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(TWO))
    api.say(status, body, Retry_After=7)
    line = told(run("catalog", "pull", "-o", path, status=2))
    assert line.startswith("Error: ")
    assert said in line
    assert json.loads(path.read_text()) == TWO
    assert [each.name for each in tmp_path.iterdir()] == ["catalog.json"]


def test_pull_tells_waits(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are told on stderr."""
    options = {**(client.pull.__kwdefaults__ or {}), "sleep": lambda _: None}
    monkeypatch.setattr(client.pull, "__kwdefaults__", options)
    api.say(503, Retry_After=11).say(200, TWO)
    ran = run("catalog", "pull")
    assert "answered 503; trying again in 11.0 s\n2 events\n" in ran.stderr


def test_pull_without_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the variable is named, and nothing is asked."""
    monkeypatch.delenv("COFFRIFY_API_KEY")
    assert "COFFRIFY_API_KEY" in told(run("catalog", "pull", status=2))
    assert api.asked == []


def test_pull_spares_other_files(api: Api, tmp_path: Path) -> None:
    """A file that is no catalog is not overwritten, nor a folder invented; nothing is asked."""
    other = tmp_path / "package.json"
    other.write_text('{"name": "mine"}')
    assert "not overwritten" in told(run("catalog", "pull", "-o", other, status=2))
    assert other.read_text() == '{"name": "mine"}'
    missing = tmp_path / "none" / "catalog.json"
    assert "no such folder" in told(run("catalog", "pull", "-o", missing, status=2))
    assert api.asked == []


def test_pull_into_an_empty_file(api: Api, tmp_path: Path) -> None:
    """An empty file is no one's work."""
    (tmp_path / "catalog.json").touch()
    api.say(200, TWO)
    run("catalog", "pull", "-o", tmp_path / "catalog.json")


# --- show ---

SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "description": "Who\n\x1b[31mit is."},
        "state": {"enum": ["on", "off"]},
        "parent": {"$ref": "#/$defs/Node"},
        "other": {"$ref": "#/$defs/Node"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sizes": {"type": "object", "additionalProperties": {"type": "integer"}},
        "at": {"type": ["string", "null"], "format": "date-time"},
    },
    "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}, "n": {"const": 1}}}},
}
EVENT = {
    "type": "a.b",
    "family": "first",
    "badges": ["signal"],
    "stability": "beta",
    "required_plan": "pro",
    "description": "Something [bold]happened[/bold].",
    "schema": SCHEMA,
    "example": {"type": "a.b", "data": {"id": "\x1bé"}},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"data": [EVENT, {"type": "z.y"}], "note": "Only a test."}))
    return path


def test_all_events_are_shown_by_family(file: Path) -> None:
    """A table by family, with badges, stability, plan and description, and the note."""
    assert run("catalog", "show", "--catalog", file).stdout.splitlines() == [
        "TYPE   BADGES  STABILITY  PLAN  DESCRIPTION",
        "first",
        "  a.b  signal  beta       pro   Something [bold]happened[/bold].",
        "",
        "z",
        "  z.y          stable",
        "",
        "Only a test.",
    ]


def test_without_a_file_the_bundled_catalog_is_shown() -> None:
    """Without a file it is the bundled snapshot, which says what it is."""
    ran = run("catalog", "show")
    assert ran.stdout.count("transfer.") >= 15
    assert "reading of public sources" in ran.stdout


def test_one_event_is_shown_with_fields_and_example(file: Path) -> None:
    """Its fields with path, type, required and description, and its example."""
    text, _, example = run("catalog", "show", "a.b", "--catalog", file).stdout.partition(
        "\nExample:\n"
    )
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "a.b (first, beta, signal, plan: pro)",
        "Something [bold]happened[/bold].",
        "",
        "FIELD TYPE REQUIRED DESCRIPTION",
        "data object yes",
        "data.id string yes Who [31mit is.",
        "data.at string (date-time) | null",
        "data.other object",
        "data.other.n integer",
        "data.other.next object, as data.other",
        "data.parent object, as data.other",
        "data.sizes map of integer",
        "data.state 'off' | 'on'",
        "data.tags list of string",
    ]
    assert json.loads(example) == EVENT["example"]
    assert "\x1b" not in example


def test_show_without_schema(file: Path) -> None:
    """An event of which only the type is known can be shown too."""
    ran = run("catalog", "show", "z.y", "--catalog", file)
    assert "data   anything  yes" in ran.stdout
    assert "Example" not in ran.stdout


def test_the_catalog_is_shown_as_json(file: Path) -> None:
    """The same as JSON."""
    found = json.loads(run("catalog", "show", "--json", "--catalog", file).stdout)
    assert [each["type"] for each in found] == ["a.b", "z.y"]
    one = json.loads(run("catalog", "show", "a.b", "--json", "--catalog", file).stdout)
    assert {k: v for k, v in one.items() if k not in ("fields", "example")} == found[0]
    assert one["fields"][1]["path"] == "data.id"
    assert one["fields"][1]["required"] is True
    assert one["example"] == EVENT["example"]


@pytest.mark.parametrize(
    ("name", "near"), [("transfer.craeted", "did you mean transfer.created"), ("x" * 10**5, "xxx")]
)
def test_an_unknown_type_exits_with_the_nearest_ones(name: str, near: str) -> None:
    """An unknown type exits 2 with the nearest ones."""
    line = told(run("catalog", "show", name, status=2))
    assert near in line
    assert len(line) < 400


def test_show_bad_catalog(tmp_path: Path) -> None:
    """A catalog that cannot be read is told in one line."""
    assert "No such file" in told(
        run("catalog", "show", "--catalog", tmp_path / "none.json", status=2)
    )


def test_show_on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """On a terminal rich draws the table, and obeys nothing in the texts."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    catalog_show.show.main(["--catalog", str(file)], standalone_mode=False)
    text = capsys.readouterr().out
    assert "Something [bold]happened[/bold]." in text
    assert "TYPE" in text


# --- codegen ---


def test_codegen_from_url(api: Api, tmp_path: Path) -> None:
    """`codegen --catalog URL` pulls from that address."""
    api.say(200, TWO)
    ran = run("codegen", "--catalog", api.url, "--output", tmp_path / "events")
    assert ran.stdout.startswith("2 events in ")
    assert (tmp_path / "events" / "a_b.py").exists()
    api.say(401)
    assert "answered 401" in told(
        run("codegen", "--catalog", api.url, "--output", tmp_path / "events", status=2)
    )


def test_codegen_shows_progress(tmp_path: Path) -> None:
    """Beyond 50 events there is a bar on stderr, and stdout stays as it is."""
    path = tmp_path / "catalog.json"
    for count in (50, 51):
        path.write_text(json.dumps(document(*(f"t.n{n}" for n in range(count)))))
        ran = run("codegen", "--catalog", path, "--output", tmp_path / f"events{count}")
        assert ran.stderr == ("" if count == 50 else "51 events\n")
        assert len(ran.stdout.splitlines()) == 1
