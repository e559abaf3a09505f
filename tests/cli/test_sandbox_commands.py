"""`trigger` and `send`: what they send, what they say, and how they end."""

import json
import shlex
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks_sandbox import Sandbox
from coffrify_webhooks_sandbox.background import serve_in_thread

SECRET = "whsec_" + "ef" * 32


def run(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(commands, words, env={"COFFRIFY_WEBHOOK_SECRET": None, **environment})


class Site:
    """A sandbox with a receiver of ours behind it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.handled: list[object] = []
        router = Router()
        router.on("*", name="any")(self.handled.append)
        self.app = Flask("site")
        CoffrifyWebhooks(self.app, Receiver(SECRET, store="memory:", router=router))
        self.endpoint = sandbox.serve(self.app, secret=SECRET)

    def trigger(self, *words: str) -> Result:
        return run("trigger", *words, "--sandbox", self.sandbox.url)


@pytest.fixture
def site() -> Iterator[Site]:
    with Sandbox() as sandbox:
        yield Site(sandbox)


def test_a_trigger_shows_what_each_receiver_answered(site: Site) -> None:
    """What happened, and what each receiver answered, is shown."""
    ran = site.trigger("transfer.created", "--data", "id=tr_9", "--data", "files.0.size=5")
    assert ran.exit_code == 0, ran.output
    first, second = ran.stdout.splitlines()
    assert first.startswith("transfer.created ")
    assert second.startswith(f"  {site.endpoint.url}: 200 handled in ")
    assert second.endswith("(success)")
    [event] = site.handled
    assert (event.data.id, event.data.files[0].size) == ("tr_9", 5)  # type: ignore[attr-defined]


def test_trigger_whole_data(site: Site) -> None:
    """The payload may be given as a whole."""
    assert site.trigger("transfer.created", "--data", '{"id": "tr_8"}').exit_code == 0
    [event] = site.handled
    assert json.loads(event.raw)["data"] == {"id": "tr_8"}  # type: ignore[attr-defined]


def test_many_events_are_sent_in_parts(site: Site) -> None:
    """Many events are sent in parts, which is told; the first part is listed."""
    ran = site.trigger("ping", "--count", "120")
    lines = ran.stdout.splitlines()
    assert [line for line in lines if " of " in line] == [
        "60 of 120 events; deliveries: 60 success",
        "120 of 120 events; deliveries: 120 success",
    ]
    assert sum(line.startswith("ping ") for line in lines) == 60
    assert len(site.handled) == 120


def test_trigger_one_endpoint(site: Site) -> None:
    """With an endpoint named, it alone is sent to, whatever it subscribes to."""
    other = site.sandbox.create_endpoint("http://127.0.0.1:9/", ["ping"])
    ran = site.trigger("transfer.created", "--endpoint", other.url)
    assert f"{other.url}: connection refused" in ran.stdout
    assert site.endpoint.url not in ran.stdout
    ran = site.trigger("ping", "--endpoint", "http://127.0.0.1:7/")
    assert ran.exit_code == 2
    assert site.endpoint.url in ran.stderr


def test_a_misbehaving_delivery_is_shown_refused(site: Site) -> None:
    """A manner of misbehaving is shown to be refused; an unknown one names those there are."""
    assert ": 400 rejected (signature_mismatch) in " in (
        site.trigger("ping", "--misbehave", "forged").stdout
    )
    ran = site.trigger("ping", "--misbehave", "rude")
    assert ran.exit_code == 2
    assert "duplicate, concurrent" in ran.stderr


def test_help_lists_every_manner() -> None:
    """The help names every manner, with the words of the sandbox."""
    from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS

    told = " ".join(run("trigger", "--help").stdout.split())
    assert told.index("HOW the sender") < told.index("See the list above.")
    assert all(f"{name} {manner.about}" in told for name, manner in MISBEHAVIORS.items())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["transfer.creatd"], "did you mean transfer.created"),
        (["transfer.created", "--data", "files.0.size=big"], "data.files[0].size"),
        (["transfer.created", "--data", "files.x.y=1"], "no such place"),
        (["transfer.created", "--data", "nonsense"], "name=value"),
        (["transfer.created", "--data", "{nonsense"], "not valid JSON"),
        (["ping", "--count", "0"], "--count"),
    ],
)
def test_a_mistake_in_trigger_sends_nothing(site: Site, words: list[str], says: str) -> None:
    """A mistake is told in a line, with exit code 2, and nothing is sent."""
    ran = site.trigger(*words)
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert site.handled == []


def test_trigger_without_a_sandbox() -> None:
    """Where no sandbox answers, the text says how to start one."""
    ran = run("trigger", "ping", "--sandbox", "http://127.0.0.1:9")
    assert ran.exit_code == 1
    assert "coffrify-webhooks sandbox" in ran.stderr


def test_trigger_at_something_else(site: Site) -> None:
    """What is not a sandbox is said to be none."""
    address = site.endpoint.url.removesuffix("/webhooks/coffrify")
    ran = run("trigger", "ping", "--sandbox", address)
    assert ran.exit_code == 2
    assert "is not a sandbox" in ran.stderr


def test_trigger_without_endpoints() -> None:
    """An event that nobody subscribes to ends with 1, and says where to create an endpoint."""
    with Sandbox() as sandbox:
        ran = run("trigger", "ping", "--sandbox", sandbox.url)
    assert ran.exit_code == 1
    assert f"create one at {sandbox.url}" in ran.stderr


def test_trigger_at_an_open_sandbox() -> None:
    """A sandbox that others can reach is asked with its key."""
    with Sandbox(host="0.0.0.0") as sandbox:
        sandbox.create_endpoint("http://127.0.0.1:9/")
        address = sandbox.url.replace("0.0.0.0", "127.0.0.1")
        for words, says in (
            ((), "asks for its API key; give it: --api-key KEY"),
            (("--api-key", "cfy_other"), "has another API key; give it: --api-key KEY"),
        ):
            ran = run("trigger", "ping", "--sandbox", address, *words)
            assert ran.exit_code == 1
            assert f"the sandbox at {address} {says}" in ran.stderr
        key = f" {sandbox.api_key}\n"
        assert run("trigger", "ping", "--sandbox", address, "--api-key", key).exit_code == 0


def test_trigger_without_a_scheme(site: Site) -> None:
    """The sandbox's address may be given without http://, and with a slash at its end."""
    address = site.sandbox.url.removeprefix("http://")
    assert run("trigger", "ping", "--sandbox", f"{address}/").exit_code == 0


@pytest.mark.parametrize(
    "address",
    [
        *("", "http://", "ftp://127.0.0.1", "127.0.0.1:x", "http://127.0.0.1:0", "file:///etc"),
        *("http://me:key@127.0.0.1", "127.0.0.1 4242", "http://\u043a/", "::1", "http://[::1"),
    ],
)
def test_trigger_at_no_address(address: str) -> None:
    """What is no address of a sandbox is a mistake, told with an example of one."""
    ran = run("trigger", "ping", "--sandbox", address)
    assert ran.exit_code == 2, ran.output
    assert "--sandbox" in ran.stderr
    assert "give it as http://127.0.0.1:4242" in ran.stderr


@pytest.mark.parametrize("key", ["schl\xfcssel", "\u043a\u043b\u044e\u0447", "a b", "a\nb"])
@pytest.mark.parametrize(
    "command", [["trigger", "ping"], ["sandbox", "--port", "0", "--db", ":memory:"]]
)
def test_keys_that_no_header_carries(command: list[str], key: str) -> None:
    """A key that cannot work is a mistake, and not a sandbox that does not answer."""
    ran = run(*command, "--api-key", key)
    assert ran.exit_code == 2, ran.output
    assert "give another: --api-key KEY" in ran.stderr
    assert key not in ran.output


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>"])
def test_trigger_at_another_server(said: bytes) -> None:
    """What answers, but not as a sandbox, is said to be none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):  # closed before all is read, it would be reset
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        ran = run("trigger", "ping", "--sandbox", f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert ran.exit_code == 1
    assert "is not a sandbox" in ran.stderr


def test_a_sent_delivery_arrives_signed(site: Site) -> None:
    """One delivery arrives signed, without any sandbox; the answer is shown."""
    ran = run("send", "transfer.created", "--to", site.endpoint.url, "--secret", SECRET)
    assert ran.exit_code == 0, ran.output
    sent, answered = ran.stdout.splitlines()
    [event] = site.handled
    assert sent == f"transfer.created {event.id} to {site.endpoint.url}"  # type: ignore[attr-defined]
    assert answered.startswith("200 handled in ")


def test_send_with_the_secret_of_the_environment(site: Site) -> None:
    """The secret may come from the variable that receivers read, the first of several."""
    ran = run("send", "ping", "--to", site.endpoint.url, COFFRIFY_WEBHOOK_SECRET=f"{SECRET},other")
    assert ran.exit_code == 0


def sent_id(ran: Result) -> str:
    return ran.stdout.split()[1]


@pytest.mark.parametrize("event_id", ["evt_same", None])
def test_send_with_the_same_id_sends_the_same_event(site: Site, event_id: str | None) -> None:
    """With an id of one's own, or the one that was printed, the second one is a duplicate."""
    words = ["send", "transfer.created", "--to", site.endpoint.url, "--secret", SECRET]
    words += ["--data", "id=tr_1"]
    first = run(*words, *(["--id", event_id] if event_id else []))
    second = run(*words, "--id", sent_id(first))
    outcomes = [ran.stdout.splitlines()[1].split(" in ")[0] for ran in (first, second)]
    assert outcomes == ["200 handled", "200 duplicate"]
    assert len(site.handled) == 1


def test_send_without_an_id_sends_another_event_each_time(site: Site) -> None:
    """Its payload differs, and lies around now."""
    words = ("send", "transfer.created", "--to", site.endpoint.url, "--secret", SECRET)
    assert sent_id(run(*words)) != sent_id(run(*words))
    one, other = (event.data for event in site.handled)  # type: ignore[attr-defined]
    assert one.id != other.id
    assert one.expires_at > datetime.now(UTC)


def test_the_same_id_makes_the_same_payload_in_every_process() -> None:
    """It follows from id, type and --data; each of the three changes it."""
    to = ("--to", "http://127.0.0.1:9/", "--secret", SECRET, "--curl")

    def body(event_type: str, *words: str) -> Any:
        return json.loads(shlex.split(run("send", event_type, *to, *words).stdout)[-1])

    found = [body(name, "--id", "evt_a") for name in ("transfer.created", "transfer.deleted")]
    words = ["send", "transfer.created", *to, "--id", "evt_a"]
    code = "from coffrify_webhooks.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=True)
    assert json.loads(shlex.split(ran.stdout.decode())[-1]) == found[0]
    assert body("transfer.created", "--id", "evt_b")["data"] != found[0]["data"]
    assert found[1]["data"] != found[0]["data"]
    changed = body("transfer.created", "--id", "evt_a", "--data", "id=tr_9")
    assert changed["data"] == {**found[0]["data"], "id": "tr_9"}


def test_send_needs_no_extra_beyond_the_commands_own(site: Site) -> None:
    """Neither sending nor printing a curl command imports what the extra `sandbox` brings."""
    words = ["ping", "--to", site.endpoint.url, "--secret", SECRET]
    hidden = dict.fromkeys(["httpx2", "jinja2", "starlette", "uvicorn"])
    code = (
        f"import sys; sys.modules.update({hidden}); from coffrify_webhooks.cli import main; main()"
    )
    for more in ([], ["--curl"]):
        command = [sys.executable, "-W", "error", "-c", code, "send", *words, *more]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")
    assert len(site.handled) == 1


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        ("200 OK", b"welcome \x1b[31m", "welcome \ufffd[31m"),
        ("404 Not Found", b"<html><title>\nNot here</title><style>...", "Not here"),
    ],
)
def test_send_says_when_something_else_answered(status: str, body: bytes, shown: str) -> None:
    """A 2xx of another program is no success of a receiver of ours; its text steers no terminal."""

    def app(_environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        start(status, [])
        return [body]

    with serve_in_thread(app) as port:
        ran = run("send", "ping", "--to", f"http://127.0.0.1:{port}/", "--secret", SECRET)
    answered, remedy, text = ran.stdout.splitlines()[1:]
    assert answered.startswith(f"{status[:3]}, not in the form of this package's receivers, in ")
    assert "Check the path: /webhooks/coffrify by default" in remedy
    assert text == shown
    assert ran.exit_code == 1, "a 2xx counts as delivered, and no handler ran"


def test_send_follows_no_redirect_and_uses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is signed goes to the address that was given, and nowhere else."""
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    came: list[str] = []

    def app(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        came.append(environ["PATH_INFO"])
        start("302 Found", [("Location", "/elsewhere")])
        return []

    with serve_in_thread(app) as port:
        ran = run("send", "ping", "--to", f"http://127.0.0.1:{port}/here", "--secret", SECRET)
    assert (ran.exit_code, came) == (1, ["/here"])
    assert "302" in ran.stdout


def test_a_refused_delivery_exits_with_its_answer(site: Site) -> None:
    """A delivery that is not answered 2xx ends with 1, and its answer is shown."""
    ran = run("send", "ping", "--to", site.endpoint.url, "--secret", "whsec_" + "01" * 32)
    assert ran.exit_code == 1
    sent, answered, message = ran.stdout.splitlines()
    assert sent.endswith(f" to {site.endpoint.url}")
    assert answered.startswith("400 rejected (signature_mismatch) in ")
    assert "secret" in message
    ran = run("send", "ping", "--to", "http://127.0.0.1:9/", "--secret", SECRET)
    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[1].startswith("no answer: connection refused (in ")


def test_send_as_curl(site: Site, tmp_path: Path) -> None:
    """The printed curl command sends the same; quotes in the payload do not break it."""
    title = 'it\'s "quoted" $HOME `id` \\ \u00e9'
    data = f"transfer_title={json.dumps(title)}"
    words = ("--to", site.endpoint.url, "--secret", SECRET, "--data", data)
    ran = run("send", "transfer.created", *words, "--curl")
    assert ran.exit_code == 0
    command = ran.stdout.replace("\\\n", " ")
    assert shlex.split(command)[0] == "curl"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert "200 OK" in done.stdout
    [event] = site.handled
    assert event.data.transfer_title == title  # type: ignore[attr-defined]


def test_send_as_curl_to_this_address_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The printed command sends once, to just this address, and past any proxy."""
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    came: list[str] = []

    def app(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        came.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        start("204 No Content", [])
        return []

    path = "/{a,b}[1-3]?x='y'"
    with serve_in_thread(app) as port:
        words = ("--to", f"http://127.0.0.1:{port}{path}", "--secret", SECRET, "--curl")
        ran = run("send", "ping", *words)
        subprocess.run(["sh", "-c", ran.stdout], capture_output=True, check=True)
    assert came == [path]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["transfer.creatd", "--to", "http://127.0.0.1:9/", "--secret", SECRET], "did you mean"),
        (["ping", "--to", "nowhere", "--secret", SECRET], "http://host:port/path"),
        (["ping", "--to", "http://127.0.0.1:9/"], "COFFRIFY_WEBHOOK_SECRET"),
        (["ping", "--to", "http://127.0.0.1:9/", "--secret", " "], "COFFRIFY_WEBHOOK_SECRET"),
        (["ping", "--to", "http://127.0.0.1:9/", "--secret", SECRET, "--id", "a b"], "id is not"),
        (["ping", "--secret", SECRET], "--to"),
        (
            ["ping", "--to", "http://127.0.0.1:9/", "--secret", SECRET, "--catalog", "x.json"],
            "x.json",
        ),
    ],
)
def test_a_mistake_in_send_is_one_line(words: list[str], says: str) -> None:
    """A mistake is told in a line, with exit code 2."""
    ran = run("send", *words)
    assert ran.exit_code == 2, ran.output
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_sandbox_port_is_taken() -> None:
    """A port that is taken is told with the remedy."""
    with Sandbox() as sandbox:
        ran = run("sandbox", "--port", sandbox.url.rpartition(":")[2], "--db", ":memory:")
    assert ran.exit_code == 2
    assert "choose another: --port" in ran.stderr


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("nosuchhost.invalid", "'nosuchhost.invalid' cannot be used"),
        ("192.0.2.1", "'192.0.2.1' cannot be used"),
        ("[::1", "cannot be used"),
        ("[]", "the host is empty"),
        ("x" * 300, "cannot be used"),
        ("", "the host is empty"),
        (" ", "the host is empty"),
    ],
)
def test_sandbox_host_that_is_none(host: str, says: str) -> None:
    """Where the host is the matter, the text names it and not the port."""
    ran = run("sandbox", "--host", host, "--port", "0", "--db", ":memory:")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert says in ran.stderr
    assert "--host" in ran.stderr
    assert "--port" not in ran.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (".", "it is a folder"),
        ("none/x.db", "there is no folder "),
        ("notes.txt/x.db", "there is no folder "),
        ("notes.txt", "it was created by another program"),
        ("app.db", "it was created by another program"),
        ("/proc/sandbox.db", "it cannot be written"),  # by root neither
        ("/proc/version", "it cannot be written"),
    ],
)
def test_sandbox_file_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    """A file that cannot be used is told with what is the matter with it, and the remedy."""
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("remember the milk " * 100)
    with closing(sqlite3.connect("app.db")) as database:
        database.execute("CREATE TABLE users (name TEXT)")
    ran = run("sandbox", "--port", "0", "--db", name)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert f"{name} cannot be used as the sandbox's file: {says}" in ran.stderr
    assert "give another: --db FILE" in ran.stderr
    assert "another sandbox" not in ran.stderr


def test_sandbox_file_of_another(tmp_path: Path) -> None:
    """A file that another sandbox uses is said to be in use."""
    file = tmp_path / "sandbox.db"
    with Sandbox(db=file):
        ran = run("sandbox", "--port", "0", "--db", str(file))
    assert ran.exit_code == 2
    assert "another sandbox is using it; give another: --db FILE" in ran.stderr


def test_sandbox_without_a_file() -> None:
    """No name keeps nothing only if that is said."""
    ran = run("sandbox", "--port", "0", "--db", "")
    assert ran.exit_code == 2
    assert "--db: give a file, or :memory: to store nothing" in ran.stderr


def test_sandbox_with_a_host_that_is_none() -> None:
    """A host to allow is given without scheme and port."""
    words = ("--port", "0", "--db", ":memory:", "--allow-host", "http://example.com")
    ran = run("sandbox", *words)
    assert ran.exit_code == 2
    assert "'http://example.com' is not a host" in ran.stderr


@pytest.mark.parametrize(("module", "extra"), [("httpx2", "sandbox"), ("jsonschema", "sandbox")])
def test_sandbox_without_its_extra(module: str, extra: str) -> None:
    """Without a package of the extra, the text says what to install."""
    hidden = f"import sys; sys.modules[{module!r}] = None"
    code = f"{hidden}; from coffrify_webhooks.cli import main; main()"
    words = [sys.executable, "-c", code, "sandbox", "--port", "0", "--db", ":memory:"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert ran.stderr == (
        f'Error: {module} is not installed; run: pip install "coffrify-webhooks[{extra}]"\n'
    )


def test_send_names_the_extra_that_is_enough_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jsonschema that is `cli`; `sandbox` would bring far more."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    ran = run("send", "ping", "--to", "http://127.0.0.1:9/", "--secret", SECRET)
    assert ran.exit_code == 2
    assert 'pip install "coffrify-webhooks[cli]"' in ran.stderr


def test_sandbox_without_a_catalog(tmp_path: Path) -> None:
    """A catalog that is not there is told in a line."""
    ran = run("sandbox", "--port", "0", "--db", ":memory:", "--catalog", str(tmp_path / "none"))
    assert ran.exit_code == 2
    assert "none" in ran.stderr


def test_send_with_any_secret(site: Site) -> None:
    """A secret that is not hex signs as text; an encoding that does not fit is named."""
    words = ("send", "ping", "--to", site.endpoint.url, "--secret", "s3cret!")
    assert run(*words, "--curl").exit_code == 0
    ran = run(*words, "--secret-encoding", "hex")
    assert ran.exit_code == 2
    assert "--secret-encoding hex" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["send", "ping", "--to", "http://127.0.0.1:9/", "--secret", SECRET, "--data", "x=NaN"],
        ["trigger", "ping", "--data", "x=1e400"],
        ["sandbox", "--port", "0", "--db", ":memory:", "--speed", "nan"],
        ["sandbox", "--port", "0", "--db", ":memory:", "--speed", "inf"],
    ],
)
def test_numbers_that_are_none(words: list[str]) -> None:
    """NaN and Infinity are mistakes, in a payload as in a speed."""
    ran = run(*words)
    assert ran.exit_code == 2, ran.output
    assert "Traceback" not in ran.stderr
