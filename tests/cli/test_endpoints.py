"""`endpoints`: what each command does at a real sandbox, says, writes, and never shows."""

import json
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from coffrify_webhooks import Receiver, Router, sign, verify
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.endpoints.secret_file import SecretFile
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks_codegen.catalog import api as exchange
from coffrify_webhooks_codegen.catalog import transport
from coffrify_webhooks_sandbox import Sandbox

SECRET = "whsec_" + "c4" * 32
URL = "http://127.0.0.1:9/webhooks/coffrify"
FOUND = re.compile(r"whsec_[0-9a-f]{64}")
APP = (
    "from coffrify_webhooks import Receiver, Router\n"
    "router = Router()\n"
    "router.on('transfer.created', 'api_key.*')(lambda event: None)\n"
    "router.on('made.up', name='other', allow_unknown=True)(lambda event: None)\n"
    f"receiver = Receiver({SECRET!r}, router=router, store='memory:')\n"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture(autouse=True)
def place(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an application, the sandbox in the environment, and no endpoints."""
    for each in endpoints(sandbox):
        sandbox._call(partial(sandbox._service.endpoints.delete, each.id))
    (tmp_path / "synced_app.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COFFRIFY_API_KEY", sandbox.api_key)
    monkeypatch.setenv("COFFRIFY_API_URL", f"{sandbox.url}/v1")
    return tmp_path


def endpoints(sandbox: Sandbox) -> list[Any]:
    found: list[Any] = sandbox._call(sandbox._service.database.endpoints)
    return found


def run(*words: str, text: str | None = None) -> Result:
    return CliRunner().invoke(commands, ["endpoints", *words], input=text)


def create(*words: str, types: str = "ping", url: str = URL) -> Result:
    return run("create", url, "--type", types, *words)


def only(sandbox: Sandbox) -> Any:
    [found] = endpoints(sandbox)
    return found


# --- create -------------------------------------------------------------------------------------


def test_a_new_secret_is_printed_once_and_is_the_endpoints(sandbox: Sandbox) -> None:
    made = create()
    assert made.exit_code == 0, made.output
    assert FOUND.findall(made.output) == [only(sandbox).secret]
    assert only(sandbox).id in made.output
    assert (only(sandbox).name, only(sandbox).events) == ("127.0.0.1", ("ping",))


def test_a_secret_that_is_written_to_a_file_is_in_no_output(sandbox: Sandbox, place: Path) -> None:
    """The file is its owner's alone; JSON holds the secret only where nothing else does."""
    made = create("--secret-file", "secret", "--json")
    file = place / "secret"
    assert file.read_text() == only(sandbox).secret + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not FOUND.search(made.output)
    assert json.loads(made.stdout)["id"] == only(sandbox).id
    told = json.loads(create("--json", "--yes").stdout)
    assert told["secret"] in {each.secret for each in endpoints(sandbox)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "COFFRIFY_WEBHOOK_SECRET={}\n"),
        ("A=1", "A=1\nCOFFRIFY_WEBHOOK_SECRET={}\n"),
        (
            "A=1\nexport COFFRIFY_WEBHOOK_SECRET='old'\n# é\n",
            "A=1\nexport COFFRIFY_WEBHOOK_SECRET={}\n# é\n",
        ),
        (
            'export COFFRIFY_WEBHOOK_SECRET="old"  # of the shop\r\nB=2\r\n',
            "export COFFRIFY_WEBHOOK_SECRET={}  # of the shop\r\nB=2\r\n",
        ),
        ("COFFRIFY_WEBHOOK_SECRET=\nB=2\n", "COFFRIFY_WEBHOOK_SECRET={}\nB=2\n"),
    ],
)
def test_an_env_files_line_is_replaced_or_added(
    sandbox: Sandbox, place: Path, before: str | None, after: str
) -> None:
    """All other lines stay; a new file is its owner's alone, and others keep their mode."""
    file = place / ".env"
    if before is not None:
        file.write_bytes(before.encode())
        file.chmod(0o640)
    made = create("--env-file", ".env", "--yes")
    assert made.exit_code == 0, made.output
    assert file.read_bytes().decode() == after.format(only(sandbox).secret)
    assert stat.S_IMODE(file.stat().st_mode) == (0o600 if before is None else 0o640)
    assert ("chmod 600" in made.stderr) is (before is not None)
    assert not FOUND.search(made.output)


@pytest.mark.parametrize("option", ["--secret-file", "--env-file"])
def test_a_secret_is_written_to_a_regular_file_alone(
    sandbox: Sandbox, place: Path, option: str
) -> None:
    """A pipe or a device is neither waited for nor replaced."""
    os.mkfifo(place / "pipe")
    made = create(option, "pipe", "--yes")
    assert (made.exit_code, "is not a regular file" in made.stderr) == (2, True)
    assert stat.S_ISFIFO((place / "pipe").stat().st_mode)
    assert endpoints(sandbox) == []


def test_an_env_file_stays_its_owners(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when root makes the secret of an application that runs as somebody else."""
    (place / ".env").write_text("A=1\n")
    owner = (place / ".env").stat()
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "getuid", lambda: owner.st_uid + 1)
    monkeypatch.setattr(os, "chown", lambda *words: given.append(words))
    SecretFile(place / ".env", is_env=True).write("new")
    assert given == [(place / ".env", owner.st_uid, owner.st_gid)]


def test_what_changes_in_an_env_file_meanwhile_stays(place: Path) -> None:
    """Somebody may write to it while a question waits for its answer."""
    file = place / ".env"
    file.write_text("COFFRIFY_WEBHOOK_SECRET=old\n")
    secrets = SecretFile(file, is_env=True)
    assert secrets.before == ["old"]
    file.write_text("COFFRIFY_WEBHOOK_SECRET=old\nB=2\n")
    secrets.write("new", "old")
    assert file.read_text() == "COFFRIFY_WEBHOOK_SECRET=new,old\nB=2\n"


@pytest.mark.parametrize("option", ["--secret-file", "--env-file"])
def test_a_secret_that_would_be_replaced_is_asked_about(
    sandbox: Sandbox, place: Path, option: str
) -> None:
    """Without a yes nothing is created, and the file stays as it is."""
    file = place / "kept"
    file.write_text("COFFRIFY_WEBHOOK_SECRET=whsec_old\n")
    asked = run("create", URL, "--type", "ping", option, "kept", text="n\n")
    assert asked.exit_code == 1
    assert "whsec_old" not in asked.output
    assert file.read_text() == "COFFRIFY_WEBHOOK_SECRET=whsec_old\n"
    assert endpoints(sandbox) == []


def test_a_file_that_cannot_be_written_is_refused_before_the_secret_is_made(
    sandbox: Sandbox, place: Path
) -> None:
    for path in ("missing/secret", str(place)):
        refused = create("--env-file", path)
        assert refused.exit_code == 2, refused.output
    assert "nothing was requested" in create("--secret-file", "missing/secret").stderr
    assert endpoints(sandbox) == []
    assert [each.name for each in place.iterdir() if each.name.startswith(".")] == []


def test_a_pattern_subscribes_to_the_types_of_the_catalog(sandbox: Sandbox) -> None:
    assert create(types="webhook.*").exit_code == 0
    assert set(only(sandbox).events) == {
        "webhook.delivery_failed_final",
        "webhook.endpoint_disabled",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give --type, or --app"),
        (["--type", "ping", "--app", "synced_app"], "Give --type, or --app"),
        (["--type", "transfer.made"], "no type 'transfer.made'"),
        (["--type", "ping", "--secret-file", "a", "--env-file", "b"], "not both"),
        (["--type", "ping", "--api-key", "cfy_wrong"], "is the API key right?"),
        (["--type", "ping", "--api-url", "http://example.com/v1"], "https://"),
    ],
)
def test_a_mistake_creates_no_endpoint_and_names_the_remedy(
    sandbox: Sandbox, words: list[str], says: str
) -> None:
    refused = run("create", URL, *words)
    assert (refused.exit_code, says in refused.stderr) == (2, True), refused.output
    assert "cfy_wrong" not in refused.output
    assert endpoints(sandbox) == []


def test_what_the_api_refuses_is_told_in_its_words() -> None:
    refused = run("create", "ftp://127.0.0.1/", "--type", "ping")
    assert refused.exit_code == 1
    assert "answered 400" in refused.stderr


def test_a_second_endpoint_for_one_url_is_asked_about(sandbox: Sandbox) -> None:
    """It would get every event too; a slash at the end or a host in capitals is no difference."""
    create()
    first = only(sandbox).id
    for url in (URL, f"{URL}/", URL.replace("http", "HTTP")):
        asked = run("create", url, "--type", "ping", text="n\n")
        assert (asked.exit_code, f"already ({first})" in asked.stderr) == (1, True), asked.output
    assert only(sandbox).id == first
    assert create(url=f"{URL}/other").exit_code == 0


STOPPED = {
    "create": (["create", URL, "--type", "ping"], "`coffrify-webhooks endpoints list` shows it"),
    "rotate": (["rotate", "--env-file", ".env"], "the sender's dashboard shows it"),
    "delete": (
        ["delete", URL, "--yes"],
        "`coffrify-webhooks endpoints list` shows it if it was not",
    ),
    "subscribe": (["sync", "--app", "synced_app", "--yes"], "`sync --dry-run` shows it"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_whoever_stops_a_change_in_its_midst_is_told_what_is_not_known(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By Ctrl-C, when the request was sent and its answer is waited for; exits 130."""
    if name != "create":
        create()
    send = transport.send

    def stopped(url: str, headers: Any, limits: Any, method: str, body: bytes) -> Any:
        answer = send(url, headers, limits, method, body)
        if method != "GET":
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(exchange, "send", stopped)
    words, says = STOPPED[name]
    ran = run(*words)
    assert (ran.exit_code, "is not known" in ran.stderr, says in ran.stderr) == (130, True, True)
    assert "Aborted" not in ran.output


def test_a_secret_that_could_not_be_written_before_a_stop_is_told_of(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(SecretFile, "write", stopped)
    ran = create("--env-file", ".env")
    assert (ran.exit_code, "shown only once" in ran.stderr) == (130, True)


def test_an_unknown_endpoint_is_answered_by_those_that_there_are(sandbox: Sandbox) -> None:
    """By id and URL, whichever was given."""
    create()
    for words in (["rotate", "--endpoint", f"{URL}x"], ["delete", "w1", "--yes"], ["test"]):
        if words == ["test"]:
            create("--yes")
        refused = run(*words)
        assert refused.exit_code == 2
        assert all(f"{each.id} ({each.url})" in refused.stderr for each in endpoints(sandbox))


# --- list, delete -------------------------------------------------------------------------------


def test_the_list_shows_endpoints_and_no_secret(sandbox: Sandbox) -> None:
    """As a table and as JSON; without any it exits 1 and says how to make one."""
    none = run("list")
    assert (none.exit_code, "endpoints create" in none.stderr) == (1, True)
    create(types="*")
    create(types="ping", url=f"{URL}/2")
    first, _ = endpoints(sandbox)
    shown = run("list")
    assert first.id in shown.stdout
    assert re.search(r"and \d+ more", shown.stdout)
    told = json.loads(run("list", "--json").stdout)
    assert {each["id"] for each in told} == {each.id for each in endpoints(sandbox)}
    assert not FOUND.search(shown.output + json.dumps(told))


def test_an_endpoint_is_deleted_only_after_a_yes(sandbox: Sandbox) -> None:
    """By its id, URL or name; what is not there is told."""
    create()
    kept = run("delete", URL, text="n\n")
    assert (kept.exit_code, len(endpoints(sandbox))) == (1, 1)
    assert run("delete", URL).exit_code == 1, "nobody is there to say yes"
    assert json.loads(run("delete", "127.0.0.1", "--yes", "--json").stdout)["deleted"] is True
    assert endpoints(sandbox) == []
    gone = run("delete", "other", "--yes")
    assert (gone.exit_code, "there is no endpoint 'other'" in gone.stderr) == (2, True)


def test_an_endpoint_that_could_be_several_must_be_named() -> None:
    create()
    create("--yes")
    for words in (["test"], ["rotate"], ["delete", URL, "--yes"]):
        refused = run(*words)
        assert (refused.exit_code, "which endpoint?" in refused.stderr) == (2, True)


# --- sync ---------------------------------------------------------------------------------------


def test_the_handlers_are_read_without_a_secret(
    sandbox: Sandbox, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made only now, and the program that needs it cannot be imported without it."""
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    (place / "secretless_app.py").write_text(
        "from flask import Flask\n"
        "from coffrify_webhooks import Receiver, Router\n"
        "from coffrify_webhooks.flask import CoffrifyWebhooks\n"
        "router = Router()\n"
        "router.on('api_key.revoked', name='revoked')(print)\n"
        "app = Flask(__name__)\n"
        "CoffrifyWebhooks(app, Receiver(router=router))\n"
    )
    monkeypatch.syspath_prepend(place)
    made = run("create", URL, "--app", "secretless_app", "--env-file", ".env")
    assert made.exit_code == 0, made.output
    assert only(sandbox).events == ("api_key.revoked",)


def test_a_sync_subscribes_to_just_what_has_handlers(sandbox: Sandbox) -> None:
    """The difference is shown first; a dry run exits 1, the second run changes nothing."""
    create(types="ping")
    dry = run("sync", "--app", "synced_app", "--dry-run")
    assert dry.exit_code == 1
    lines = dry.stdout.splitlines()[1:]
    assert "  + transfer.created" in lines
    assert "  + api_key.revoked" in lines
    assert "  - ping" in lines
    assert "  ? made.up has a handler, and is not in the catalog" in lines
    assert run("sync", "--app", "synced_app", text="n\n").exit_code == 1
    assert only(sandbox).events == ("ping",)

    done = run("sync", "--app", "synced_app", "--yes")
    assert done.exit_code == 0, done.output
    assert {each.partition(".")[0] for each in only(sandbox).events} == {"transfer", "api_key"}
    again = json.loads(run("sync", "--app", "synced_app", "--yes", "--json").stdout)
    assert (again["added"], again["removed"], again["changed"]) == ([], [], False)
    assert again["unknown"] == ["made.up"]


def test_an_endpoint_that_subscribes_to_all_loses_what_has_no_handler(sandbox: Sandbox) -> None:
    made = sandbox.create_endpoint(URL, ["*"])
    told = json.loads(run("sync", "--app", "synced_app", "--dry-run", "--json").stdout)
    assert told["added"] == []
    assert "transfer.deleted" in told["removed"]
    assert sandbox.endpoint(made).events == ("*",)


def test_an_application_without_handlers_unsubscribes_nothing(
    sandbox: Sandbox, place: Path
) -> None:
    create()
    (place / "empty_app.py").write_text(
        "from coffrify_webhooks import Receiver, Router\n"
        f"receiver = Receiver({SECRET!r}, router=Router(), store='memory:')\n"
    )
    refused = run("sync", "--app", "empty_app", "--yes")
    assert (refused.exit_code, "handlers=[...]" in refused.stderr) == (2, True)
    assert only(sandbox).events == ("ping",)


def test_a_framework_offers_the_commands_with_its_own_receiver(sandbox: Sandbox) -> None:
    """As `manage.py coffrify_webhooks endpoints` and `flask coffrify-webhooks endpoints`."""
    create(types="ping")
    router = Router()
    router.on("ping", name="ping")(lambda event: None)
    receiver = Receiver(SECRET, router=router, store="memory:")
    ran = CliRunner().invoke(
        embedded, ["endpoints", "sync", "--yes"], obj=Source(receiver.store, receiver)
    )
    assert (ran.exit_code, "just the 1 type(s)" in ran.stdout) == (0, True), ran.output


def test_json_never_waits_for_an_answer() -> None:
    create()
    refused = run("sync", "--app", "synced_app", "--json")
    assert (refused.exit_code, "--dry-run or --yes" in refused.stderr) == (2, True)


# --- rotate -------------------------------------------------------------------------------------


def test_a_rotation_keeps_both_secrets_in_the_env_file(sandbox: Sandbox, place: Path) -> None:
    """The new one first. A receiver with either verifies until the grace is over."""
    create("--env-file", ".env")
    old = only(sandbox).secret
    rotated = run("rotate", "--env-file", ".env", "--grace", "2h")
    new = only(sandbox).secret
    assert rotated.exit_code == 0, rotated.output
    assert (place / ".env").read_text() == f"COFFRIFY_WEBHOOK_SECRET={new},{old}\n"
    assert new != old
    assert not FOUND.search(rotated.output)
    assert "has both, the new one first" in rotated.stdout
    assert rotated.stdout.index("1. before") < rotated.stdout.index("2. after")
    assert only(sandbox).old_until - sandbox._service.clock.now() <= 7200
    for secret in (new, old):
        headers = sign(b"{}", secret, id="evt_1")
        assert verify(b"{}", headers, [new, old]).id == "evt_1"
    again = run("rotate")
    assert (again.exit_code, "rotate again after that" in again.stderr) == (1, True)


def test_a_rotation_says_what_to_put_where(sandbox: Sandbox) -> None:
    create()
    rotated = run("rotate", "--endpoint", URL)
    assert FOUND.findall(rotated.output) == [only(sandbox).secret]
    assert "COFFRIFY_WEBHOOK_SECRET=NEW,OLD (the new one first)" in rotated.stdout
    assert 'Receiver(secrets=["NEW", "OLD"])' in rotated.stdout


def test_a_rotation_without_grace_is_asked_first(sandbox: Sandbox) -> None:
    create()
    before = only(sandbox).secret
    assert run("rotate", "--grace", "0s", text="n\n").exit_code == 1
    assert only(sandbox).secret == before
    done = run("rotate", "--grace", "0s", "--yes", "--json")
    assert json.loads(done.stdout)["secret"] == only(sandbox).secret != before
    refused = run("rotate", "--grace", "8d")
    assert (refused.exit_code, "168h" in refused.stderr) == (2, True)


# --- test ---------------------------------------------------------------------------------------


def test_a_test_delivery_is_handled_and_its_answer_shown(sandbox: Sandbox) -> None:
    handled: list[Any] = []
    router = Router()
    router.on("*", name="any")(handled.append)

    def nothing(_environ: Any, start: Any) -> list[bytes]:
        start("404 Not Found", [])
        return []

    receiver = Receiver(SECRET, router=router, store="memory:")
    sandbox.serve(CoffrifyWebhooksMiddleware(nothing, receiver), secret=SECRET)
    pinged = run("test")
    assert (pinged.exit_code, "answered 200" in pinged.stdout) == (0, True), pinged.output
    told = json.loads(run("test", "--type", "transfer.created", "--json").stdout)
    assert (told["response_status"], told["status"]) == (200, "success")
    assert [each.type for each in handled] == ["ping", "transfer.created"]


def test_a_test_delivery_that_is_not_answered_exits_with_a_remedy() -> None:
    create()
    refused = run("test")
    assert refused.exit_code == 1
    assert "connection refused" in refused.stdout
    assert "is the URL right" in refused.stderr
    assert "did you mean transfer.created" in run("test", "--type", "transfer.creatd").stderr
