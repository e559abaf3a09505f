"""Stores with events in them, and the commands run on them."""

import json
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.cli.events import events
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.pipeline.identity import conflict_key, key_of
from coffrify_webhooks.stores import About, Status, Store
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.record import plain
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_6f1d7c0e5a3b49288e61f0d2c4b7a915"
REASON = "shop:announce raised ValueError at shop.py:7"


class Clock:
    """Tells the time, or what it was `back` seconds ago."""

    back = 0.0

    def __call__(self) -> float:
        return time.time() - self.back


class StoredEvents:
    """A store into which a test puts events, each of the age it likes."""

    def __init__(self, path: Path | None = None) -> None:
        self.clock = Clock()
        self.store: Store = (
            SQLiteStore(path, clock=self.clock) if path else MemoryStore(clock=self.clock)
        )

    def put(
        self,
        id_: str,
        status: Status = "done",
        *,
        type_: str = "transfer.created",
        receiver: str = "default",
        age: float = 0,
        body: bytes | None = b"",
        finished: str = "",
    ) -> str:
        """Let an event come and be what `status` says, with a body made for it; return its key."""
        sent = body or json.dumps({"id": id_, "type": type_, "data": {"id": "tr_1"}}).encode()
        kept = None if body is None else sent
        facts = {"id": id_, "timestamp": 1_700_000_000, "scheme": "standard", "key": 0}
        about = About(
            receiver, plain(id_), type_, json.dumps(facts | {"encoding": "hex", "test": False})
        )
        key, digest = key_of(receiver, id_), sha256(sent).hexdigest()
        self.clock.back = age
        if status == "conflict":
            key = conflict_key(key, digest)
            self.store.conflict(key, digest, about, kept)
        else:
            token = "engine" if status == "running" else None
            claim = self.store.claim(key, digest, 60, token, about, kept)
            if finished:
                self.store.checkpoint(key, claim.token, finished)
            match status:
                case "done":
                    self.store.done(key, claim.token)
                case "queued":
                    self.store.queued(key, claim.token)
                case "failed":
                    self.store.failed(key, claim.token, REASON, kept)
                case "dead":
                    self.store.dead(key, claim.token, REASON, kept)
                case _:
                    pass
        self.clock.back = 0
        return key

    def status(self, key: str) -> Status | None:
        """What became of an event."""
        record = self.store.get(key)
        return record and record.status

    def run(self, *arguments: object, status: int = 0, answer: str = "", **options: Any) -> Result:
        """Run `events` as a program would that embeds it."""
        router: Router | None = options.pop("router", None)
        receiver = None
        if router is not None:
            receiver = Receiver(SECRET, router=router, store=self.store, **options)
        ran = CliRunner().invoke(
            events,
            [str(each) for each in arguments],
            input=answer,
            obj=Source(self.store, receiver),
        )
        assert ran.exit_code == status, (ran.output, ran.exception)
        return ran
