"""Handlers of a worker under test: they note what they do in files beside them."""

import asyncio
import time
from pathlib import Path

from coffrify_webhooks import Event, Router

HOLD = Path("hold")
RAISE = Path("raise")
router = Router()


class PanicException(BaseException):
    """What a panic in Rust code looks like from Python."""


NO_EXCEPTIONS = {
    each.__name__: each for each in (SystemExit, GeneratorExit, KeyboardInterrupt, PanicException)
}
"""What a handler can raise beside an `Exception`, by the end of the event's id."""


def _note(what: str, event: Event) -> None:
    with Path("journal").open("a", errors="replace") as journal:
        journal.write(f"{what} {event.id}\n")


@router.on("transfer.*", name="plain")
def plain(event: Event) -> None:
    """Wait while there is a file `hold`; raise if a file `fail` or `raise` is there."""
    _note("begin", event)
    while HOLD.exists():
        time.sleep(0.01)
    if Path("fail").exists():
        raise ConnectionError
    if RAISE.exists():
        raise NO_EXCEPTIONS[str(event.id).rpartition("_")[2]]
    _note("end", event)


@router.on("ping", name="unhurried")
async def unhurried(event: Event) -> None:
    """Handle it asynchronously."""
    await asyncio.sleep(0.01)
    _note("end", event)


@router.on("api_key.*", name="patient")
async def patient(event: Event) -> None:
    """Wait asynchronously while there is a file `hold`; raise if there is a file `raise`."""
    _note("begin", event)
    while HOLD.exists():  # noqa: ASYNC110, ASYNC240 - a process removes it
        await asyncio.sleep(0.01)
    if RAISE.exists():  # noqa: ASYNC240
        raise NO_EXCEPTIONS[str(event.id).rpartition("_")[2]]
    _note("end", event)
