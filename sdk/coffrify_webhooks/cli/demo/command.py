"""The command itself: starts the servers, plays its script to each, and tells the verdict."""

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import NamedTuple, TypeAlias

import click

from . import servers
from .board import Board
from .cases import Case, Script, script
from .sender import Sender
from .servers import Running
from .slow import HEADING, MissingError, slow_script
from .table import shown

__all__ = ["demo"]

_SIGNALS = [s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP")]


class Came(NamedTuple):
    """A case came to its end at a server."""

    server: str
    case: Case
    text: str


class Finished(NamedTuple):
    """A server has been played the script, or was lost on the way."""

    server: str
    error: str
    """What came instead of an outcome, if there are any missing."""


class Stop(NamedTuple):
    """A signal asked the demo to end."""

    number: int


News: TypeAlias = Came | Finished | Stop


@click.command(short_help="Watch signed webhooks arrive in real servers.")
def demo() -> None:
    """Deliver signed webhooks to Flask, Django and Starlette, and check what comes of each.

    Then hand a slow one to an engine, DBOS, and kill its worker with -9.

    Exits 0 if every outcome is the one promised, else 1.
    """
    servers.check_requirements()
    began = time.monotonic()
    every = [*servers.SERVERS, *servers.ENGINES]
    with _signals() as news, TemporaryDirectory(prefix="coffrify-webhooks-demo-") as folder:
        click.echo(f"Starting {', '.join(f'{each.name} ({each.runner})' for each in every)} ...\n")
        with servers.running(every, Path(folder)) as started:
            boards = [_play(script(), [each for each in started if not each.worker], news)]
            click.echo(f"\n{HEADING}\n")
            boards += [_play(slow_script(), [each for each in started if each.worker], news)]
        _judge(boards, started, time.monotonic() - began)


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


def _play(play: Script, started: list[Running], news: "SimpleQueue[News]") -> Board:
    """Play the script to every server at the same time, and show what comes."""
    board = Board(play.cases, [server.name for server in started])
    with shown(board) as refresh:
        for server in started:
            # Daemons: after a signal nobody waits for what is still on its way.
            Thread(target=_play_to, args=(server, play, news), daemon=True).start()
        playing = {server.name for server in started}
        while playing:
            match news.get():
                case Came(name, case, text):
                    board.put(case, name, text)
                case Finished(name, error):
                    playing.discard(name)
                    board.ended[name] = error
                case Stop(number):
                    raise SystemExit(128 + number)
            refresh()
    return board


def _play_to(server: Running, play: Script, news: "SimpleQueue[News]") -> None:
    error = "nothing"
    try:
        for case, text in play.play(Sender(server)):
            news.put(Came(server.name, case, text))
    except MissingError as lost:
        error = str(lost)
    except (OSError, HTTPException) as lost:
        error = f"no answer ({type(lost).__name__})"
    finally:  # also after a mistake of ours, or the table would wait for ever
        news.put(Finished(server.name, error))


def _judge(boards: list[Board], started: list[Running], seconds: float) -> None:
    broken = {name: list(board.broken(name)) for board in boards for name in board.servers}
    if not any(broken.values()):
        outcomes = sum(case.times for each in boards for case in each.rows for _ in each.servers)
        click.echo(f"\n{outcomes} outcomes in {seconds:.1f} s, all as promised.")
        return
    for server in started:
        if broken[server.name]:
            click.echo(f"\n{server.name}")
            for line in (*broken[server.name], "the end of its log:", *server.last_log_lines()):
                click.echo(f"  {line}")
    click.echo("\nNot every outcome is the one promised.")
    raise SystemExit(1)
