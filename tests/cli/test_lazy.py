"""Commands are imported when they run, and the help that stands for them says what they say."""

import subprocess
import sys
from collections.abc import Iterator
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner
from tests.cli.help_options import commands_of, forget_help_options

from coffrify_webhooks import cli
from coffrify_webhooks.cli.embedded import embedded
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.cli.lazy import LazyGroup


def groups(group: LazyGroup = commands) -> Iterator[LazyGroup]:
    yield group
    for name in group.lazy:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, LazyGroup):
            yield from groups(command)


ENTRIES = [
    (group, name)
    for group in (*groups(), embedded)
    for name, entry in group.lazy.items()
    if not entry.hidden
]


@pytest.mark.parametrize(("group", "name"), ENTRIES, ids=lambda each: getattr(each, "name", each))
def test_the_help_of_a_group_is_that_of_its_commands(group: LazyGroup, name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert group.lazy[name].short_help == command.get_short_help_str(limit=1000)


def test_the_list_of_commands_imports_none_of_them() -> None:
    """A help that is asked for, and the shell's completion, are there at once."""
    code = (
        "import sys; from coffrify_webhooks.cli.group import commands\n"
        "commands(['--help'], standalone_mode=False)\n"
        "print(*{'pydantic', 'asyncio', 'sqlite3', 'ssl'} & set(sys.modules), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "\n"), found.stderr
    assert "worker" in found.stdout


def test_a_help_imports_neither_clients_nor_classes() -> None:
    """A command's help is there in the time that Python and click take."""
    names = [name.split() for name, command in commands_of(commands) if not command.hidden]
    code = (
        "import sys; from coffrify_webhooks.cli.group import commands\n"
        "slow = {'pydantic', 'asyncio', 'sqlite3', 'ssl', 'http.client', 'jsonschema', 'jinja2',\n"
        "'random', 'secrets', 'email', 'decimal', 'coffrify_webhooks.router',\n"
        "'coffrify_webhooks_sandbox.signing', 'coffrify_webhooks_codegen.catalog'}\n"
        f"for words in {names}:\n"
        "    commands([*words, '--help'], standalone_mode=False)\n"
        "    assert not slow & set(sys.modules), (words, slow & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["evnets"], "events"),
        (["events", "lst"], "list"),
        (["catalog", "dif"], "diff"),
        (["tail"], None),
    ],
)
def test_a_misspelt_command_is_answered_by_the_nearest(words: list[str], near: str | None) -> None:
    found = CliRunner().invoke(commands, words)
    assert found.exit_code == 2
    assert f"No such command {words[-1]!r}" in found.output
    assert ("did you mean" in found.output) is (near is not None)
    assert near is None or near in found.output


@pytest.mark.parametrize("words", [[], ["events"], ["events", "list"], ["send"]])
def test_a_short_option_shows_the_help_of_each_command(words: list[str]) -> None:
    forget_help_options()
    short = CliRunner().invoke(commands, [*words, "-h"])
    assert short.exit_code == 0
    assert short.output == CliRunner().invoke(commands, [*words, "--help"]).output


def test_no_help_of_a_command_imports_what_only_its_run_needs() -> None:
    """All of them in one process: each help is shown in a tenth of a second or two."""
    code = (
        "import sys, click\n"
        "from coffrify_webhooks.cli.group import commands\n"
        "def show(command, words):\n"
        "    commands([*words, '-h'], standalone_mode=False)\n"
        "    for name in getattr(command, 'lazy', {}):\n"
        "        show(command.get_command(click.Context(command), name), [*words, name])\n"
        "show(commands, [])\n"
        "slow = {'pydantic', 'asyncio', 'sqlite3', 'flask', 'jsonschema', 'rich', 'uvicorn'}\n"
        "print(*sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, "\n"), found.stderr
    assert "Show the last events" in found.stdout


VARIABLES = {
    "--secret": "COFFRIFY_WEBHOOK_SECRET",
    "--store": "COFFRIFY_WEBHOOKS_STORE",
    "--api-url": "COFFRIFY_API_URL",
}


def _context(command: click.Command, name: str) -> click.Context:
    """Return a context with the program's help options, which a command keeps from its first."""
    return click.Context(command, info_name=name, **commands.context_settings)


@pytest.mark.parametrize("option", VARIABLES)
def test_an_option_names_the_variable_that_stands_for_it(option: str) -> None:
    """In the help of each command that has it, --api-key of the vendor's API beside --api-url."""
    found = 0
    for name, command in commands_of(commands):
        options = {each: param for param in command.params for each in param.opts}
        if option in options:
            found += 1
            said = " ".join(command.get_help(_context(command, name)).split())
            assert VARIABLES[option] in said, name
            assert option != "--api-url" or "COFFRIFY_API_KEY" in said, name
    assert found


def test_an_early_interrupt_leaves_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the command is still being imported ends as one that comes later."""

    def interrupted(extra: str) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "needs", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "\nAborted!\n")
