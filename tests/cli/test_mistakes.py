"""A mistake in a command is one line that names the remedy, and exits 2, whichever the command."""

from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner, Result
from tests.cli.help_options import commands_of
from tests.cli.stored_events import StoredEvents

from coffrify_webhooks import Router
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.source import Source

COMMANDS = [(name, command) for name, command in commands_of(commands) if not command.hidden]
CLOSED = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("WEBHOOKS_STORE", "WEBHOOK_SECRET", "API_KEY", "API_URL"):
        monkeypatch.delenv(f"COFFRIFY_{name}", raising=False)
    return tmp_path


def run(line: str, group: click.Group = commands, obj: object = None) -> Result:
    return CliRunner().invoke(group, line.split(), obj=obj, prog_name="coffrify-webhooks")


def refused(line: str, group: click.Group = commands, obj: object = None) -> str:
    """Run a command that is to refuse what it was given; return its one line."""
    ran = run(line, group, obj)
    assert (ran.exit_code, ran.stdout) == (2, ""), (line, ran.output)
    (said,) = ran.stderr.splitlines()
    return said


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_an_unknown_option_is_one_line_of_each_command(name: str, command: click.Command) -> None:
    """It names the nearest one, and where the others are."""
    options = [each for param in command.params for each in param.opts if each[:2] == "--"]
    option = options[0] if options else "--help"
    said = refused(f"{name} {option}x")
    assert said.startswith("Error: No such option"), said
    assert option in said, said
    assert said.endswith(f"(help: coffrify-webhooks {name} --help)"), said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--bogus", "No such option '--bogus' (help: coffrify-webhooks --help)"),
        ("evnts", "did you mean events? (help: coffrify-webhooks --help)"),
        ("catalog shwo", "did you mean show? (help: coffrify-webhooks catalog --help)"),
        ("send", "Missing argument 'TYPE' (help: coffrify-webhooks send --help)"),
        ("send ping", "Missing option '--to' (help: coffrify-webhooks send --help)"),
        ("events list --status faild", "'faild' is not one of 'claimed', 'queued'"),
        ("events list --type a*b", "a star may stand only at the end"),
        ("events list --limit none", "Invalid value for '--limit'"),
        ("check", "Name its module: --app myapp.webhooks (help:"),
        ("doctor --request a --last", "--request and --last exclude each other"),
        ("doctor --request gone", "No such file or directory; name a file, or - for stdin"),
        ("catalog show transfr.created", "did you mean transfer.created"),
        ("catalog show qqqqqqqq", "without a TYPE, all are listed"),
        (
            "catalog diff gone gone",
            "gone: No such file or directory; `coffrify-webhooks catalog pull -o",
        ),
        (
            "send ping --catalog gone --to http://x --secret whsec_0123456789abcdef",
            "catalog pull -o",
        ),
        ("events --store sqlite:///gone.db", "`coffrify-webhooks store init`"),
        ("events --store nosuch://x", "no store is known by a URL that begins 'nosuch:'"),
        ("events", "Name it by --store or COFFRIFY_WEBHOOKS_STORE"),
        ("check --app gone", "no module 'gone' in this folder, nor is it installed; run this in"),
        ("worker --app gone.deep", "no module 'gone' in this folder"),
        ("endpoints list", "set COFFRIFY_API_KEY"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(line: str, says: str) -> None:
    """Where click alone writes four lines too."""
    assert says in refused(line)


def test_a_module_of_another_name_is_suggested(folder: Path) -> None:
    """From the files and packages of the folder."""
    (folder / "webhooks.py").touch()
    (folder / "myshop").mkdir()
    (folder / "myshop" / "__init__.py").touch()
    assert "did you mean webhooks?" in refused("check --app webhoks")
    assert "did you mean myshop?" in refused("check --app myshp.hooks")
    (folder / "webhooks.py").write_text("import a_module_that_is_not_there")
    assert "(ModuleNotFoundError: No module named 'a_module" in refused("check --app webhooks")


@pytest.mark.parametrize("url", [f"redis://{CLOSED}/0", f"postgresql://{CLOSED}/shop"])
@pytest.mark.parametrize(
    "line",
    [
        "events list --store {}",
        "events show evt_1 --store {}",
        "events stats --fail-if-dead --store {}",
        "events tail --store {}",
        "events purge --older-than 30d --yes --store {}",
        "catalog drift --store {}",
        "store init --store {}",
    ],
)
def test_a_store_that_does_not_answer_exits_as_a_mistake(line: str, url: str) -> None:
    """Not with 1, by which a monitor learns what was found: nothing was looked at."""
    said = refused(line.format(url))
    assert " store failed (" in said
    assert said.endswith("; check that its server or file can be used from here, and try again")


@pytest.mark.parametrize(
    "line",
    [
        "events stats --fail-if-silent 0s",
        "events stats --fail-if-older 0m",
        "events list --newer-than 0d",
        "reconcile --since 0h",
        "worker --reconcile-every 0s",
        "events list --older-than 9999999w",
        "events stats --fail-if-silent -5m",
        "events tail --every 0",
    ],
)
def test_a_time_that_means_nothing_is_refused(line: str) -> None:
    """No time at all, or more than a life."""
    option = line.split()[-2]
    assert f"Invalid value for '{option}'" in refused(line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("events list --handler shop:anounce", "did you mean shop:announce?"),
        ("events list --handler shop:bil", "did you mean shop:bill?"),
        ("events list --handler shop:announce --type ping", ""),
        ("events list --receiver stagin", "did you mean staging?"),
        ("events list --type transfr.created", "did you mean transfer.created"),
    ],
)
def test_a_name_nearly_right_is_suggested(line: str, says: str) -> None:
    """Of a handler that has finished or failed, a receiver, a type."""
    stored = StoredEvents()
    stored.put("evt_1", "failed", receiver="staging", finished="shop:bill")
    ran = run(line, embedded, Source(stored.store, None))
    assert (ran.exit_code, ran.stdout) == (0, ""), ran.output
    assert says in ran.stderr
    assert ("did you mean" in ran.stderr) is bool(says)


def test_a_registered_handler_is_suggested_too() -> None:
    """Which has had a part in no event yet."""
    router, stored = Router(), StoredEvents()
    router.on("ping", name="shop:greet")(lambda event: None)
    ran = stored.run("list", "--handler", "shop:gret", router=router)
    assert ran.stderr == "no events; did you mean shop:greet?\n"
    assert stored.run("list", "--handler", "shop:greet", router=router).stderr == "no events\n"


def test_every_help_has_an_example_and_both_help_options() -> None:
    """The example is a line that calls this very command."""
    for name, command in COMMANDS:
        if name == "events sweep":  # the name that `sweep` had before
            continue
        helped = run(f"{name} -h").output
        assert f"Example: coffrify-webhooks {name}" in " ".join(helped.split()), name
        assert "-h, --help" in helped, name
        assert command.get_short_help_str(limit=1000), name


def test_an_interrupt_ends_any_command_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the midst exits 130, as the docs say, and leaves no traceback."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("coffrify_webhooks.cli.doctor.command._read", interrupted)
    ran = run("doctor --request file")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (130, "", "\nAborted!\n")
    monkeypatch.setattr("coffrify_webhooks.cli.source.embedded_source", interrupted)
    assert run("events stats").exit_code == 130
    assert run("stats", events).exit_code == 130, "of a group that is embedded"


PRINTS_NO_DATA = {"demo", "inbox", "sandbox", "worker", "codegen", "catalog pull"}


def test_every_command_that_prints_data_has_json() -> None:
    """The others run a program, or write files."""
    lacking = {
        name
        for name, command in COMMANDS
        if not any("--json" in param.opts for param in command.params)
    }
    assert lacking == PRINTS_NO_DATA
