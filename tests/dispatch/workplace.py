"""A folder in which workers of an engine run as processes of their own; the web process is ours."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coffrify_webhooks import Receiver, Reply, Router, sign
from coffrify_webhooks.dispatch import Dispatcher
from coffrify_webhooks.pipeline.identity import key_of

__all__ = ["Workplace"]

SECRET = "whsec_" + "ab" * 16


class Workplace:
    """Holds an application, its store, and `handlers.py`, which writes a journal."""

    def __init__(
        self, folder: Path, engine: Dispatcher, lease: float, module: str, text: str
    ) -> None:
        self.folder = folder
        self.web = Receiver(
            SECRET,
            store=f"sqlite:///{folder}/store.db",
            dispatcher=engine,
            router=Router(),  # the web process knows no handlers
            lease=lease,
        )
        self.module = folder / module
        self.module.write_text(text)
        handlers = Path(__file__).with_name("handlers.py").read_text()
        (folder / "handlers.py").write_text(handlers)

    def add(self, code: str) -> None:
        """Add lines to the application's module; they run when its Receiver is made."""
        self.module.write_text(f"{self.module.read_text()}\n{code}\n")

    def replace(self, old: str, new: str) -> None:
        text = self.module.read_text()
        assert old in text
        self.module.write_text(text.replace(old, new))

    def deliver(self, name: str, kind: str = "transfer.created") -> Reply:
        body = json.dumps({"id": name, "type": kind, "data": {}}).encode()
        return self.web.receive(body, sign(body, SECRET))

    def touch(self, name: str) -> Path:
        path = self.folder / name
        path.touch()
        return path

    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def error(self, name: str) -> str:
        record = self.web.store.get(key_of("default", name))
        assert record is not None
        return record.error or ""

    def status(self, name: str) -> str | None:
        record = self.web.store.get(key_of("default", name))
        return record.status if record else None

    def wait(self, what: Callable[[], Any], seconds: float = 200) -> None:
        """Wait; a first worker that compiles all it imports took 70 seconds on a busy machine."""
        give_up = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < give_up, "\n".join([*self.journal(), self.log()])
            time.sleep(0.02)

    def wait_for(self, *lines: str) -> None:
        self.wait(lambda: set(lines) <= set(self.journal()))

    def wait_until_done(self, *names: str) -> None:
        self.wait(lambda: all(self.status(name) == "done" for name in names))
