"""What the command does: starts servers, lets the sandbox send to them, tells the verdict."""

import signal
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import click

from coffrify_webhooks.cli.failure import Failed
from coffrify_webhooks.errors import WebhookError

from . import servers
from .board import Board
from .cases import Case, Script, script
from .sender import Sender, write_catalog
from .servers import Running
from .slow import HEADING, slow_script
from .summary import sent_by, summary
from .table import shown

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox import Sandbox

__all__ = ["run"]

_SIGNALS = [s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP")]
_SUMMARY = "coffrify-demo.md"


class Came(NamedTuple):
    """A case has an outcome at a server."""

    case: Case
    server: str
    text: str


class Lost(NamedTuple):
    """Nothing more will come of a server."""

    server: str
    instead: str
    """The last output that was no outcome."""


class Finished:
    """The script is at its end."""


class Stop(NamedTuple):
    """A signal asked the demo to end."""

    number: int


News: TypeAlias = Came | Lost | Finished | Stop


def run() -> None:
    """Run all of it, and exit with the verdict; see the command."""
    servers.check_requirements()
    began = time.monotonic()
    every = [*servers.SERVERS, *servers.ENGINES]
    fast, slow = script(), slow_script()
    with _signals() as news, TemporaryDirectory(prefix="coffrify-webhooks-demo-") as name:
        folder = Path(name)
        names = (f"{each.name} ({each.runner})" for each in every)
        click.echo(f"Starting the sandbox, {', '.join(names)} ...\n")
        with (
            servers.running(every, folder) as started,
            _sandbox(folder / "catalog.json", [*fast.events, *slow.events]) as sandbox,
        ):
            boards = [_play(fast, sandbox, [each for each in started if not each.worker], news)]
            click.echo(f"\n{HEADING}\n")
            boards += [_play(slow, sandbox, [each for each in started if each.worker], news)]
            sent = sent_by(sandbox)
        _tell_broken(boards, started)
    verdict = _verdict(boards, time.monotonic() - began)
    click.echo(f"\n{verdict}")
    _write(summary(boards, sent, verdict))
    if not all(board.is_as_promised for board in boards):
        raise SystemExit(1)


@contextmanager
def _sandbox(catalog: Path, events: Sequence[str]) -> Generator["Sandbox"]:
    """Start the sandbox; in it time stands still unless it is let pass."""
    from coffrify_webhooks_sandbox import Sandbox  # other commands do without it

    write_catalog(catalog, events)
    with Sandbox(catalog=catalog) as sandbox:
        yield sandbox


@contextmanager
def _signals() -> Generator["SimpleQueue[News]"]:
    """Turn signals into news, so that none interrupts the starting or the ending of a server."""
    news: SimpleQueue[News] = SimpleQueue()
    before = {
        number: signal.signal(number, lambda number, _: news.put(Stop(number)))
        for number in _SIGNALS
    }
    try:
        yield news
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play(
    play: Script, sandbox: "Sandbox", started: list[Running], news: "SimpleQueue[News]"
) -> Board:
    """Play the script to every server at the same time, and show what comes."""
    board = Board(play.cases, [server.name for server in started])
    with shown(board) as refresh:
        # A daemon: after a signal nobody waits for what is still on its way.
        Thread(target=_perform, args=(play, sandbox, started, news), daemon=True).start()
        while True:
            match news.get():
                case Came(case, name, text):
                    board.put(case, name, text)
                case Lost(name, instead):
                    board.end(name, instead)
                case Finished():
                    board.end_all()
                    refresh()
                    return board
                case Stop(number):
                    raise SystemExit(128 + number)
            refresh()


def _perform(
    play: Script, sandbox: "Sandbox", started: list[Running], news: "SimpleQueue[News]"
) -> None:
    def lost(server: str, instead: str) -> None:
        news.put(Lost(server, instead))

    try:
        for case, server, text in play.play(Sender(sandbox, started, play.events, lost)):
            news.put(Came(case, server, text))
    except WebhookError as error:
        if error.code not in ("closed", "stopped"):  # by a signal, and nobody wants to hear more
            raise
    finally:  # also after a mistake of ours, or the table would wait for ever
        news.put(Finished())


def _tell_broken(boards: list[Board], started: list[Running]) -> None:
    broken = {name: list(board.broken(name)) for board in boards for name in board.servers}
    for server in started:
        if broken[server.name]:
            click.echo(f"\n{server.name}")
            for line in (*broken[server.name], "the end of its log:", *server.last_log_lines()):
                click.echo(f"  {line}")


def _verdict(boards: list[Board], seconds: float) -> str:
    if not all(board.is_as_promised for board in boards):
        return f"After {seconds:.1f} s, not every outcome is the one promised."
    outcomes = sum(case.times for each in boards for case in each.rows for _ in each.servers)
    return f"{outcomes} outcomes in {seconds:.1f} s, all as promised."


def _write(text: str) -> None:
    path = Path(_SUMMARY).absolute()
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"the summary could not be written: {error}") from error
    click.echo(f"Summary: {path}")
