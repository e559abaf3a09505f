"""Handlers of a worker under test: they note what they do in files beside them."""

import asyncio
import time
from pathlib import Path

from coffrify_webhooks import Event, Router

HOLD = Path("hold")
router = Router()


def _note(what: str, event: Event) -> None:
    with Path("journal").open("a", errors="replace") as journal:
        journal.write(f"{what} {event.id}\n")


@router.on("transfer.*", name="plain")
def plain(event: Event) -> None:
    """Wait while there is a file `hold`; fail, or take the worker along, if a file says so."""
    _note("begin", event)
    while HOLD.exists():
        time.sleep(0.01)
    if Path("fail").exists():
        raise ConnectionError
    if Path("exit").exists():
        raise SystemExit
    _note("end", event)


@router.on("ping", name="unhurried")
async def unhurried(event: Event) -> None:
    """Handle it asynchronously."""
    await asyncio.sleep(0.01)
    _note("end", event)


@router.on("api_key.*", name="patient")
async def patient(event: Event) -> None:
    """Wait asynchronously while there is a file `hold`."""
    _note("begin", event)
    while HOLD.exists():  # noqa: ASYNC110, ASYNC240 - a process removes it
        await asyncio.sleep(0.01)
    _note("end", event)
