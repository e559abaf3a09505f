"""`doctor`: reads a request in each form that people have, and checks a set-up without one."""

import base64
import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from click.testing import CliRunner, Result
from tests.doctor.requests import BODY, OTHER, SECRET

from coffrify_webhooks import Receiver, Router, sign
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware

pytestmark = pytest.mark.usefixtures("unhurried_doctor")

TEXT = BODY.decode()
ENCODED = base64.b64encode(BODY).decode()


def headers(secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    return {**sign(BODY, secret, timestamp=at), "Content-Type": "application/json"}


def raw(
    body: bytes, first: str = "POST /webhooks/coffrify HTTP/1.1\r\n", end: str = "\r\n"
) -> bytes:
    lines = "".join(f"{name}: {text}{end}" for name, text in headers().items())
    return f"{first}{lines}{end}".encode() + body


def curl(data: str = "--data-raw", **more: str) -> bytes:
    words = [f"-H {shlex.quote(f'{name}: {text}')}" for name, text in headers().items()]
    body = more.get("body", shlex.quote(TEXT))
    return " \\\n  ".join(
        ["curl 'https://example.com/'", *words, f"{data} {body} --compressed"]
    ).encode()


def cmd() -> bytes:
    """Return what Chrome copies for cmd.exe."""
    escaped = "".join(
        each if each.isalnum() or each == " " else '^\\^"' if each == '"' else f"^{each}"
        for each in TEXT
    )
    words = [f'-H ^"{name}: {text}^"' for name, text in headers().items()]
    return " ^\r\n  ".join(
        ['curl ^"https://example.com/^"', *words, f'--data-raw ^"{escaped}^"']
    ).encode()


def as_list(pairs: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": text} for name, text in pairs.items()]


def har(body: dict[str, str]) -> dict[str, Any]:
    return {"request": {"method": "POST", "headers": as_list(headers()), "postData": body}}


def forms() -> dict[str, bytes]:
    """Return a sound request in each form."""
    v2 = {"requestContext": {"http": {"method": "POST"}}, "headers": headers()}
    v1: dict[str, Any] = {"httpMethod": "POST", "requestContext": {}, "headers": None}
    several = {name: [text] for name, text in headers().items()}
    values: dict[str, Any] = {
        "json": {"headers": headers(), "body": TEXT},
        "json_base64": {"headers": headers(), "body_base64": ENCODED, "method": "POST"},
        "json_pairs": {"headers": list(headers().items()), "body": TEXT},
        "har_entry": har({"text": TEXT}),
        "har_base64": har({"text": ENCODED, "encoding": "base64"}),
        "har_file": {"log": {"entries": [{"request": {"method": "GET"}}, har({"text": TEXT})]}},
        "gateway_2": {**v2, "body": TEXT, "isBase64Encoded": False},
        "gateway_2_base64": {**v2, "body": ENCODED, "isBase64Encoded": True},
        "gateway_1": {**v1, "multiValueHeaders": several, "body": TEXT},
        "balancer": {
            "requestContext": {"elb": {}},
            "httpMethod": "POST",
            "headers": headers(),
            "body": ENCODED,
            "isBase64Encoded": True,
        },
    }
    escaped = TEXT.replace("\\", "\\\\").replace("'", "\\'").replace("\u00e9", "\\u00e9")
    return {
        **{name: json.dumps(value).encode() for name, value in values.items()},
        "raw": raw(BODY),
        "raw_lf": raw(BODY, "POST / HTTP/1.1\n", "\n"),
        "raw_without_line": raw(BODY, ""),
        "raw_chunked": raw(b"", end="\n").removesuffix(b"\n")
        + b"Transfer-Encoding: chunked\n\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
        "raw_with_end": raw(b"", end="\n").removesuffix(b"\n")
        + b"Content-Length: %d\n\n%b\n" % (len(BODY), BODY),
        "curl": curl(),
        "raw_http_2": raw(BODY, ":method: POST\r\n:path: /\r\n"),
        "curl_cmd": cmd(),
        "curl_binary": curl("--data-binary"),
        "curl_browser": curl(body=f"$'{escaped}'"),
        "mark": b"\xef\xbb\xbf" + json.dumps(values["json"]).encode(),
    }


def doctor(*words: str, given: bytes | None = None, secret: str | None = SECRET) -> Result:
    variables = {"COFFRIFY_WEBHOOK_SECRET": secret, "COFFRIFY_WEBHOOKS_STORE": None}
    return CliRunner().invoke(commands, ["doctor", *words], input=given, env=variables)


@pytest.mark.parametrize("form", list(forms()))
def test_a_sound_request_is_accepted_in_each_form(form: str) -> None:
    """Nothing is lost while it is read: the signature holds."""
    ran = doctor("--request", "-", given=forms()[form])
    assert (ran.exit_code, ran.stdout.splitlines()[0]) == (0, "accepted"), ran.output


def test_a_file_is_read_and_its_causes_are_told(tmp_path: Path) -> None:
    """In the order found, with certainty and fix; exit 1."""
    file = tmp_path / "request"
    file.write_bytes(raw(BODY + b"\n"))
    ran = doctor("--request", str(file), secret=f'"{SECRET}"')
    assert ran.exit_code == 1
    assert "secret_quoted (proven)" in ran.stdout
    assert "body_newline_added (proven)" in ran.stdout
    assert "Fix: " in ran.stdout
    assert SECRET not in ran.output
    assert "evt_1" not in ran.output


def test_a_body_is_printed_only_when_asked() -> None:
    """`--show-body` prints it, in JSON too."""
    given = json.dumps({"headers": headers(), "body": TEXT}).encode()
    assert "tr_1" not in doctor("--request", "-", "--json", given=given).output
    shown = json.loads(doctor("--request", "-", "--json", "--show-body", given=given).stdout)
    assert (shown["accepted"], shown["body"]) == (True, TEXT)


def test_the_time_of_the_request_is_taken_from_it() -> None:
    """An old one that came in time is accepted; without the time it is stale."""
    then = time.time() - 90_061
    given = {"headers": headers(at=then), "body": TEXT}
    late = doctor("--request", "-", "--json", given=json.dumps(given).encode())
    assert [each["code"] for each in json.loads(late.stdout)["causes"]] == ["stale"]
    for moment in (then + 1, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))):
        timed = json.dumps({**given, "received_at": moment}).encode()
        assert doctor("--request", "-", given=timed).exit_code == 0


def test_another_known_secret_is_proven_to_have_signed() -> None:
    """That of the variable, if another was given."""
    given = json.dumps({"headers": headers(), "body": TEXT}).encode()
    ran = doctor("--request", "-", "--secret", OTHER, given=given)
    assert "secret_of_another_endpoint (proven)" in ran.stdout


FLASK = """
from flask import Flask
from coffrify_webhooks.flask import CoffrifyWebhooks
app = Flask("shop")
CoffrifyWebhooks(app, Receiver(%r, store="memory:", router=router))
"""
FASTAPI = """
from fastapi import FastAPI
from coffrify_webhooks.fastapi import webhook_router
app = FastAPI()
app.include_router(webhook_router(Receiver(%r, store="memory:", router=router)))
"""
APPS = {
    "flask": ("Flask", FLASK, "request.get_data()"),
    "fastapi": ("FastAPI", FASTAPI, "await request.body()"),
}
HEAD = (
    "from coffrify_webhooks import Receiver, Router\n"
    "router = Router()\n"
    "router.on('ping')(lambda event: None)\n"
)


@pytest.mark.parametrize("framework", APPS)
def test_the_fix_is_told_for_the_framework_in_use(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--app` names the application, whose secrets are used."""
    for other in {"flask", "django", "starlette", "fastapi"} - {framework}:
        monkeypatch.delitem(sys.modules, f"coffrify_webhooks_{other}", raising=False)
    monkeypatch.setitem(
        sys.modules,
        f"coffrify_webhooks_{framework}",
        import_module(f"coffrify_webhooks_{framework}"),
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    name, source, line = APPS[framework]
    (tmp_path / f"shop_{framework}.py").write_text(HEAD + source % SECRET)
    given = json.dumps({"headers": headers(), "body": json.dumps(json.loads(TEXT))}).encode()
    ran = doctor("--request", "-", "--app", f"shop_{framework}:app", given=given, secret=None)
    assert "body_reserialised (proven)" in ran.stdout, ran.output
    assert f"In {name}: " in ran.stdout
    assert line in ran.stdout


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        (["--request", "nowhere"], None, "--request nowhere: No such file"),
        (["--request", "-"], b" ", "it is empty"),
        (["--request", "-"], b'{"a": 1', "begins like JSON but is not JSON"),
        (["--request", "-"], b'{"id": "evt_1"}', "format of the request is not known"),
        (["--request", "-"], b"just words", "format of the request is not known"),
        (["--request", "-"], b'{"headers": 5, "body": ""}', "`headers` must be a mapping"),
        (["--request", "-"], b'{"headers": {}, "body": {}}', "the text that arrived"),
        (["--request", "-"], b'{"headers": {}, "body_base64": "*"}', "not in base64"),
        (["--request", "-"], b'{"headers": {}, "received_at": "soon"}', "seconds since 1970"),
        (["--request", "-"], b'{"log": {"entries": []}}', "no POST request"),
        (
            ["--request", "-"],
            b'fetch("https://x", {"body": "y"});',
            "format of the request is not known",
        ),
        (["--request", "-"], b"curl 'x", "unclosed quote"),
        (["--request", "-"], b"curl x -d @nowhere", "run this in its folder"),
        (["--app", "no_such_module"], None, "--app no_such_module: there is no module"),
        (["--url", "ftp://x"], None, "http"),
        (["--show-body"], None, "--request FILE"),
        (["--request", "-", "--url", "http://x"], b"x", "--url belongs to"),
    ],
    ids=range(17),
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    words: list[str],
    given: bytes | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It names the remedy."""
    monkeypatch.chdir(tmp_path)
    ran = doctor(*words, given=given)
    assert (ran.exit_code, ran.stdout) == (2, ""), ran.output
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_any_secret_the_doctor_says_where_to_set_one() -> None:
    """Exit 2: nothing can be verified."""
    ran = doctor("--request", "-", given=raw(BODY), secret=None)
    assert ran.exit_code == 2
    assert "Set COFFRIFY_WEBHOOK_SECRET" in ran.stderr


# --- the set-up ----------------------------------------------------------------------------------


def checks(ran: Result) -> dict[str, tuple[str, str]]:
    found = json.loads(ran.stdout)["checks"]
    return {each["name"]: (each["state"], each["message"]) for each in found}


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing on stderr."""


@contextmanager
def serving(receiver: Receiver) -> Iterator[str]:
    """Serve a receiver on loopback, and give the address."""
    application: Any = CoffrifyWebhooksMiddleware(lambda _environ, _start: [b""], receiver)
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an application with a handler."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "doctor_shop.py").write_text(
        f"{HEAD}receiver = Receiver({SECRET!r}, store='sqlite:///shop.db', router=router)\n"
        f"bare = Receiver({SECRET!r}, name='bare', store='memory:', router=Router())\n"
    )
    monkeypatch.delitem(sys.modules, "doctor_shop", raising=False)
    return "doctor_shop"


def test_a_sound_set_up_is_healthy(shop: str) -> None:
    """A signed ping is answered by the server, and each part is told of."""
    router = Router()
    router.on("ping")(lambda event: None)
    with serving(Receiver(SECRET, store="memory:", router=router)) as url:
        words = ["--app", f"{shop}:receiver", "--url", f"{url}/webhooks/coffrify"]
        ran = doctor(*words, "--json", secret=None)
    assert ran.exit_code == 0, ran.output
    assert {state for state, _ in checks(ran).values()} == {"ok"}, ran.output
    assert list(checks(ran)) == ["secret", "store", "engine", "handlers", "address", "clock"]


def test_each_fault_of_a_set_up_is_named(shop: str) -> None:
    """No handler, another secret at the address, a path where nobody is: exit 1."""
    assert checks(doctor("--app", f"{shop}:bare", "--json"))["handlers"][0] == "failed"
    with serving(Receiver(OTHER, store="memory:", router=Router())) as url:
        words = ["--app", f"{shop}:receiver", "--json", "--url"]
        refused = doctor(*words, f"{url}/webhooks/coffrify")
        assert "signature_mismatch" in checks(refused)["address"][1]
    nobody = doctor(*words, f"{url}/webhooks/coffrify")
    assert "no answer" in checks(nobody)["address"][1]
    assert refused.exit_code == nobody.exit_code == 1


def test_an_unusable_secret_is_the_first_fault_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from it is skipped."""
    monkeypatch.chdir(tmp_path)
    ran = doctor("--json", secret=f'"{SECRET}"')
    assert ran.exit_code == 1
    assert checks(ran)["secret"][0] == "failed"
    assert "in quotes" in checks(ran)["secret"][1]
    assert "failed   secret" in doctor(secret=None).stdout


def test_a_frameworks_own_command_needs_no_app(monkeypatch: pytest.MonkeyPatch) -> None:
    """`flask coffrify-webhooks doctor` is about the Receiver of the application."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    store = MemoryStore()
    source = Source(store, Receiver(SECRET, store=store, router=Router()))
    given = json.dumps({"headers": headers(), "body": TEXT})
    run = CliRunner().invoke
    assert run(embedded, ["doctor", "--request", "-"], input=given, obj=source).exit_code == 0
    found = checks(run(embedded, ["doctor", "--json"], obj=source))
    assert (found["secret"][0], found["store"][0], found["handlers"][0]) == ("ok", "ok", "failed")
    refused = run(embedded, ["doctor", "--app", "shop"], obj=source)
    assert "--app is determined by your settings here" in refused.stderr
