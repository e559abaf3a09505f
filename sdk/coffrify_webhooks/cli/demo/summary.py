"""What the demo leaves: its outcomes, and what it ran with, as a page of Markdown."""

import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from coffrify_webhooks import __version__
from coffrify_webhooks.errors import WebhookError

from .board import Board
from .sender import result_of

if TYPE_CHECKING:
    from coffrify_webhooks_sandbox import Delivery, Sandbox

__all__ = ["Sent", "sent_by", "summary"]

_PACKAGES = "Flask", "Django", "Starlette", "gunicorn", "uvicorn", "DBOS"


class Sent(NamedTuple):
    """What the sandbox has sent."""

    deliveries: int
    attempts: int
    server: str = ""
    """To which there is a dead letter, if there is one."""
    time_line: tuple[tuple[str, str, str], ...] = ()
    """The dead letter's attempts: number, time after the first failure, answer."""


def sent_by(sandbox: "Sandbox") -> Sent:
    """Return what a sandbox has sent so far."""
    deliveries = sandbox.deliveries()
    attempts = sum(len(sandbox.attempts(delivery)) for delivery in deliveries)
    for dead in reversed(sandbox.deliveries(status="dead_letter")):
        try:
            server = sandbox.endpoint(dead.endpoint_id).name
        except WebhookError:
            continue  # a server that was lost later
        return Sent(len(deliveries), attempts, server, tuple(_time_line(sandbox, dead, deliveries)))
    return Sent(len(deliveries), attempts)


def _time_line(
    sandbox: "Sandbox", dead: "Delivery", deliveries: "list[Delivery]"
) -> Iterator[tuple[str, str, str]]:
    from coffrify_webhooks.web.wording import length  # an extra's

    attempts = sandbox.attempts(dead)
    for attempt in attempts:
        yield str(attempt.number), length(attempt.at - attempts[0].at), result_of(attempt)
    for replay in deliveries:
        if replay.replay_of == dead.id:
            yield from (("replayed", "", result_of(each)) for each in sandbox.attempts(replay))


def summary(boards: Sequence[Board], sent: Sent, verdict: str) -> str:
    """Return the page."""
    return "\n".join(_lines(boards, sent, verdict)) + "\n"


def _lines(boards: Sequence[Board], sent: Sent, verdict: str) -> Iterator[str]:
    yield "# coffrify-webhooks demo"
    yield f"\n{verdict} The sandbox sent {sent.deliveries} deliveries in {sent.attempts} attempts."
    for board in boards:
        yield f"\n## {', '.join(board.servers)}\n"
        yield from _table(("", "promised", *board.servers), _outcomes(board))
    broken = [
        (name, line) for each in boards for name in each.servers for line in each.broken(name)
    ]
    if broken:
        yield "\n## Not as promised\n"
        yield from (f"- {name}: {_plain(line)}" for name, line in broken)
    if sent.time_line:
        yield f"\n## A dead letter at {sent.server}\n"
        yield from _table(("attempt", "after the first failure", "answer"), sent.time_line)
    yield "\n## Versions\n"
    ours = [("coffrify-webhooks", __version__), ("Python", platform.python_version())]
    yield from _table(("", ""), [*ours, *((name, version(name)) for name in _PACKAGES)])


def _outcomes(board: Board) -> Iterator[Sequence[str]]:
    for case, cells in board.rows.items():
        times = f", {case.times} times" if case.times > 1 else ""
        yield case.name, case.promise + times, *map(str, cells.values())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(map(_plain, row))} |"


def _plain(text: str) -> str:
    """Let no character of a text be taken for Markdown."""
    return text.replace("*", r"\*").replace("|", r"\|")
