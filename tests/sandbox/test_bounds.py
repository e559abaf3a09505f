"""What a catalog or a form can cost: little, whatever is in them."""

import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from jsonschema import Draft202012Validator
from tests.sandbox.hook import Hook

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.checking import Steps, TooMuchError, bounded_validator, first_error
from coffrify_webhooks_sandbox.courier import Courier
from coffrify_webhooks_sandbox.dashboard.form_field import FormField
from coffrify_webhooks_sandbox.dashboard.payload_form import PayloadForm, flatten
from coffrify_webhooks_sandbox.database import Database
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.event_types import EventTypes
from coffrify_webhooks_sandbox.payload import random_data
from coffrify_webhooks_sandbox.resolve import resolve

DOUBLED: dict[str, Any] = {
    "$ref": "#/$defs/n0",
    "$defs": {
        **{f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(26)},
        "n26": {"type": "object"},
    },
}


def types(tmp_path: Path, schema: Any, example: Any = None) -> EventTypes:
    event: dict[str, Any] = {"type": "a.b", "schema": schema}
    if example is not None:
        event["example"] = {"id": "e", "type": "a.b", "data": example}
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"data": [event]}))
    return EventTypes(path)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("word", ["A" * 300_000, "a" * 300_000, "-" * 300_000, "aA1" * 100_000])
def test_long_words_of_examples_are_fast(word: str) -> None:
    """A thumbnail in base64 is looked at once, and stays as it is."""
    assert random_data({}, {"x": word}, 0.0, Random(1)) == {"x": word}


def test_codes_are_told_from_words() -> None:
    """A code is made up anew, a word is not."""
    made = random_data({}, {"a": "tr_aB3xYz9", "b": "document", "c": "Document"}, 0.0, Random(1))
    assert made["a"].startswith("tr_")
    assert made["a"] != "tr_aB3xYz9"
    assert (made["b"], made["c"]) == ("document", "Document")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+$", "(a|a)*$", "(a|b|ab)*c$", "a*a*a*a*b$", "(.*)*x", "(?:a?){40}a{40}$"),
        *("^(?x:(a+) +$)", "(?x)^(a+) +$", "(?#[)^(a+)+$|]", f"^{'(aa|a)' * 40}$"),
        *("^(?:a+)++!{2}$", "^(?=(a+)+$)", "^(a{1,9}){1,30}$"),
    ],
)
def test_slow_patterns_are_not_tried(tmp_path: Path, pattern: str) -> None:
    """A pattern that may take exponential time is not tried, in values and in names."""
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": pattern}},
        "patternProperties": {pattern: {"type": "integer"}},
        "additionalProperties": False,
    }
    types(tmp_path, schema).check("a.b", {"x": "a" * 60 + "!"})


SEARCHED: list[tuple[Any, Any]] = [
    ({"pattern": "[ab]{60000}c"}, "ab" * 49_000),
    ({"patternProperties": {"[a-z]+_": {}}, "additionalProperties": False}, {"a" * 100_000: 1}),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {"patternProperties": {"[a-z]+_": {}}}}}
        | {"unevaluatedProperties": False},
        {"a" * 100_000: 1},
    ),
    (
        {"$ref": "#/default/a", "default": {"a": {"patternProperties": {"^(a+)+$": {}}}}},
        {"a" * 50 + "!": 1},
    ),
    (
        {"$ref": "#/properties/x/const/a"}
        | {"properties": {"x": {"const": {"a": {"patternProperties": {"^(a+)+$": {}}}}}}},
        {"a" * 50 + "!": 1},
    ),
]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("schema", "data"),
    SEARCHED,
    ids=["repeats", "names", "unevaluated names", "in a default", "in a constant"],
)
def test_long_texts_are_not_searched(schema: Any, data: Any) -> None:
    """What takes the square of a text's length is not tried on a long one, be it a name."""
    assert (
        first_error(bounded_validator(Draft202012Validator, schema), data, Steps(200_000)) is None
    )


def test_searches_use_up_the_steps() -> None:
    """A thousand texts, each of which takes a search nearly as long as one may, are too much."""
    validator = bounded_validator(Draft202012Validator, {"items": {"pattern": "[a-z]+_"}})
    assert first_error(validator, ["a" * 299 + "_"] * 10, Steps(200_000)) is None
    with pytest.raises(TooMuchError):
        first_error(validator, ["a" * 299 + "_"] * 1000, Steps(200_000))


def test_a_part_of_a_schema_is_resolved_once_for_all_data() -> None:
    """Thousands of items of one schema cost no merging of its parts for each of them."""
    wide: dict[str, Any] = {"type": "object", "properties": {f"p{n}": {} for n in range(3000)}}
    items: dict[str, Any] = {"allOf": [{"$ref": "#/$defs/wide"}] * 90}
    schema: dict[str, Any] = {
        "type": "array",
        "minItems": 1000,
        "items": items,
        "$defs": {"wide": wide},
    }
    with patch("coffrify_webhooks_sandbox.payload.resolve", wraps=resolve) as resolving:
        assert len(random_data(schema, None, 0.0, Random(1))) == 1000
    assert resolving.call_count == 2
    assert len(resolve(items, schema)["properties"]) == 3000


def test_harmless_patterns_are_tried(tmp_path: Path) -> None:
    """A pattern that is read once is checked as before."""
    found = types(tmp_path, {"properties": {"x": {"pattern": "^[a-z]{3}_[0-9]+$"}}})
    found.check("a.b", {"x": "abc_12"})
    with pytest.raises(SandboxError, match="does not match"):
        found.check("a.b", {"x": "abc-12"})


@pytest.mark.timeout(10)
def test_doubled_schemas_take_too_long(tmp_path: Path) -> None:
    """Two to the 26th looks at one object are refused, in a sentence; so are samples of it."""
    found = types(tmp_path, DOUBLED)
    with pytest.raises(SandboxError, match="takes too long"):
        found.check("a.b", {})
    with pytest.raises(SandboxError, match="provide the data"):
        found.make("a.b", 0.0, Random(1))


def test_steps_of_checking_are_counted() -> None:
    """Errors that quote much data, and comparisons of all with all, use up the steps."""
    schema = {"allOf": [{"type": "object"}] * 10_000}
    validator = bounded_validator(Draft202012Validator, schema)
    tracemalloc.start()
    try:
        with pytest.raises(TooMuchError):
            first_error(validator, "x" * 1_000_000, Steps(200_000))
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    unique = bounded_validator(Draft202012Validator, {"uniqueItems": True})
    with pytest.raises(TooMuchError):
        first_error(unique, [{"a": n} for n in range(1000)], Steps(200_000))
    assert first_error(unique, list(range(1000)), Steps(200_000)) is None


@pytest.mark.timeout(10)
def test_large_forms_are_json() -> None:
    """Forty thousand places are no form; two hundred are, and each text is looked at once."""
    with pytest.raises(SandboxError, match="too large for a form"):
        flatten({f"a{n}": {f"b{m}": 1 for m in range(200)} for n in range(200)})
    inner = {"type": "object", "properties": {f"b{m}": {"type": "integer"} for m in range(200)}}
    wide: dict[str, Any] = {"type": "object", "properties": {f"a{n}": inner for n in range(200)}}
    texts = {f"state:data/a{n}": "value" for n in range(200)}
    with pytest.raises(SandboxError, match="too large for a form"):
        PayloadForm(wide).field(texts)


@pytest.mark.parametrize("damage", ["bytes", "rows", "tables"])
def test_damaged_files_are_told_in_a_sentence(tmp_path: Path, damage: str) -> None:
    """A file that is damaged is named with the remedy, when it is opened."""
    path = tmp_path / "s.db"
    Database(path).close()
    if damage == "bytes":
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as file:
            if damage == "rows":
                file.execute("INSERT INTO endpoints (id, events) VALUES ('e', 'no json')")
            else:
                file.execute("DROP TABLE attempts")
        file.close()
    with pytest.raises(ConfigurationError, match=r"s\.db cannot be used .* give another: --db"):
        Database(path)


def test_attempts_do_not_store_the_body_again(tmp_path: Path, hook: Hook) -> None:
    """However often an event is tried, its body is in the file once."""
    path = tmp_path / "s.db"
    hook.status = 500
    with Sandbox(db=path) as sandbox:
        sandbox.create_endpoint(hook.url)
        sandbox.trigger("transfer.created", {"id": "tr_1", "notes": "x" * 100_000})
        sandbox.run_out()
    assert len(hook.came) > 5
    file = sqlite3.connect(path)
    assert file.execute("SELECT max(length(body)) FROM attempts").fetchone() == (0,)
    assert file.execute("SELECT max(length(body)) > 100000 FROM events").fetchone() == (1,)
    file.close()


def test_types_with_a_slash_have_a_page(tmp_path: Path) -> None:
    """An event type with a slash is triggered from the dashboard like any other."""
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"data": [{"type": "a/b.c", "schema": {"type": "object"}}]}))
    with Sandbox(catalog=path) as sandbox:
        for link in ("a/b.c", "a%2Fb.c"):
            with urllib.request.urlopen(f"{sandbox.url}/trigger/{link}") as reply:
                assert b"a/b.c" in reply.read()


@pytest.mark.timeout(30)
def test_a_damaged_file_is_told_once_while_it_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be read while the sandbox runs is one sentence in the log, and no traceback."""
    database = Database(tmp_path / "s.db")
    database._file.execute("DROP TABLE deliveries")
    courier = Courier.__new__(Courier)
    courier._database, courier._logged_reason = database, ""
    for _ in range(3):
        with pytest.raises(sqlite3.Error) as raised:
            database.next_due()
        courier._log_file_error(raised.value)
    [line] = caplog.records
    assert "s.db cannot be used: no such table" in line.getMessage()
    assert line.exc_info is None
    database.close()


# --- off the loop, and to an end ----------------------------------------------------------------


def test_events_are_made_off_the_loop_of_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """While data is made by a schema that takes long, every other request is answered."""
    made_in: list[str] = []
    begun, go_on = threading.Event(), threading.Event()
    make = EventTypes.make

    def slow(self: EventTypes, *given: Any) -> Any:
        made_in.append(threading.current_thread().name)
        begun.set()
        go_on.wait(20)
        return make(self, *given)

    monkeypatch.setattr(EventTypes, "make", slow)
    with Sandbox() as sandbox:
        asking = threading.Thread(target=sandbox.trigger, args=("transfer.created",))
        asking.start()
        assert begun.wait(20)
        with urllib.request.urlopen(f"{sandbox.url}/catalog", timeout=20) as answer:
            assert answer.status == 200
        go_on.set()
        asking.join(20)
    assert not asking.is_alive()
    assert len(made_in) == 1


_FORM = b"do=random&count=1"


@pytest.mark.parametrize(
    ("owner", "step", "path", "body"),
    [
        (EventTypes, "make", "/v1/webhooks?action=test", b'{"id": "%s"}'),
        (EventTypes, "make", "/endpoints/%s", b"do=test"),
        (PayloadForm, "field", "/trigger/transfer.created", _FORM),
        (PayloadForm, "edit", "/trigger/transfer.created", b"do=add:data/files"),
        (FormField, "value", "/trigger/transfer.created", b"do=as_json"),
    ],
    ids=["test by the api", "test by the page", "form", "edit", "as json"],
)
def test_schemas_are_worked_on_off_the_loop(
    monkeypatch: pytest.MonkeyPatch, owner: Any, step: str, path: str, body: bytes
) -> None:
    """While a test event is made, or a form drawn or read, every other request is answered."""
    begun, go_on = threading.Event(), threading.Event()
    original = getattr(owner, step)

    def slow(*given: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return original(*given)

    with Sandbox() as sandbox:
        endpoint = sandbox.create_endpoint("http://127.0.0.1:9/")
        known = endpoint.id.encode()
        kind = "json" if body.startswith(b"{") else "x-www-form-urlencoded"
        request = urllib.request.Request(
            sandbox.url + path.replace("%s", endpoint.id),
            body.replace(b"%s", known),
            {
                "Content-Type": f"application/{kind}",
                "Authorization": f"Bearer {sandbox.api_key}",
            },
        )
        monkeypatch.setattr(owner, step, slow)
        with ThreadPoolExecutor(1) as asking:
            asked = asking.submit(urllib.request.urlopen, request, timeout=30)
            assert begun.wait(20)
            with urllib.request.urlopen(f"{sandbox.url}/catalog", timeout=20) as answer:
                assert answer.status == 200
            go_on.set()
            with asked.result(30) as answer:
                assert answer.status == 200


def test_a_key_that_comes_twice_at_once_is_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, whose data takes long to make, and gets its answer."""
    begun, go_on = threading.Event(), threading.Event()
    make = EventTypes.make

    def slow(*given: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return make(*given)

    monkeypatch.setattr(EventTypes, "make", slow)
    with Sandbox() as sandbox:
        endpoint = sandbox.create_endpoint("http://127.0.0.1:9/")
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {sandbox.api_key}",
            "Idempotency-Key": "once",
        }
        url, body = f"{sandbox.url}/v1/webhooks?action=test", json.dumps({"id": endpoint.id})

        def ask() -> Any:
            request = urllib.request.Request(url, body.encode(), headers)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)

        with ThreadPoolExecutor(2) as asking:
            first = asking.submit(ask)
            assert begun.wait(20)
            second = asking.submit(ask)
            with urllib.request.urlopen(f"{sandbox.url}/catalog", timeout=20):
                pass  # the second has very likely come as well
            go_on.set()
            assert first.result(30) == second.result(30)
        assert len(sandbox.deliveries()) == 1


HOSTILE: dict[str, Any] = {
    "$ref": "#/$defs/n0",
    "$defs": {
        **{f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(11)},
        "n11": {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a|aa)+$"}}},
    },
}
"""Just within the steps for one event: some tenths of a second for each."""


@pytest.mark.timeout(60)
def test_the_sandbox_stops_while_a_hostile_schema_is_worked_on(tmp_path: Path) -> None:
    """SIGTERM ends the process while ten thousand events are made by a schema without an end."""
    catalog = tmp_path / "catalog.json"
    example = {"id": "e", "type": "a.b", "data": {"x": "a" * 900 + "!"}}
    catalog.write_text(
        json.dumps({"data": [{"type": "a.b", "schema": HOSTILE, "example": example}]})
    )
    command = [str(Path(sys.executable).with_name("coffrify-webhooks")), "sandbox"]
    options = ["--catalog", str(catalog), "--port", "0", "--db", str(tmp_path / "sandbox.db")]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "http://127.0.0.1:" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        found = re.search(r"http://(127\.0\.0\.1):(\d+)", said)
        assert found
        with socket.create_connection((found[1], int(found[2]))) as client:
            asked = json.dumps({"event_type": "a.b", "data": {"x": "a" * 900}, "count": 10_000})
            client.sendall(
                b"POST /control/trigger HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(asked), asked.encode())
            )
            with urllib.request.urlopen(f"{found[0]}/catalog", timeout=20) as answer:
                assert answer.status == 200
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode in (0, -15)
