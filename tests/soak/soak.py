"""Soak a server and a store: `python -m tests.soak.soak --server gunicorn --store sqlite`.

Mixed traffic at full speed, with faults; figures as it goes. In the end: nothing lost, nothing
handled twice, and memory, descriptors, connections and threads as they were after a tenth.
"""

import argparse
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.servers.postgres import Postgres
from tests.servers.process import free_port, own_environment
from tests.servers.valkey import Valkey
from tests.soak.figures import Figures, figures_of
from tests.soak.sender import Sender

SERVERS = {
    "uvicorn": "uvicorn --factory tests.soak.app:starlette_app --port {port} --log-level critical",
    "gunicorn": "gunicorn tests.soak.app:flask_app() --bind 127.0.0.1:{port} --workers 2 "
    "--threads 4 --log-level critical",
}
STORES = ("memory", "sqlite", "postgresql", "redis")
ROOM = 1.05
"""How much more memory may be used in the end; a few seconds say nothing of that."""


class Outcome(NamedTuple):
    """What came of a soak."""

    handled: int
    lost: int
    double: int
    early: Figures
    late: Figures
    answers: Counter[str]

    def faults(self, *, room: float = ROOM) -> list[str]:
        """Return what was not as promised."""
        found = [f"{self.lost} lost"] * bool(self.lost) + [f"{self.double} double"] * bool(
            self.double
        )
        if self.late.rss > self.early.rss * room:
            found.append(f"memory grew from {self.early.rss} to {self.late.rss} KiB")
        for name in ("descriptors", "sockets", "threads"):
            before, after = getattr(self.early, name), getattr(self.late, name)
            if after > before + 10:
                found.append(f"{name} grew from {before} to {after}")
        return found


@contextmanager
def _store_url(store: str, folder: Path) -> Iterator[str]:
    with ExitStack() as stack:
        if store == "postgresql":
            yield stack.enter_context(Postgres()).url
        elif store == "redis":
            yield stack.enter_context(Valkey()).url
        else:
            yield "memory:" if store == "memory" else f"sqlite:///{folder}/store.db"


def soak(
    server: str, store: str, seconds: float, tell: Callable[[float, Figures, int], None]
) -> Outcome:
    """Send for so many seconds; `tell` is given the figures about every tenth of it."""
    with tempfile.TemporaryDirectory() as name, _store_url(store, Path(name)) as url:
        folder, port = Path(name), free_port()
        secret = "whsec_" + secrets.token_hex(32)
        (folder / "secret").write_text(secret)
        (folder / "journal").touch()
        places = {"SOAK_JOURNAL": folder / "journal", "SOAK_SECRET": folder / "secret"}
        environment = {**own_environment(), **{k: str(v) for k, v in places.items()}}
        words = SERVERS[server].format(port=port).split()
        process = subprocess.Popen(
            [sys.executable, "-m", *words], env={**environment, "SOAK_STORE": url}
        )
        senders = [Sender(port, secret, number) for number in range(4)]
        try:
            _wait_for(process, senders[0])
            for each in senders:
                each.start()
            measured: list[Figures] = []
            began = time.monotonic()
            for tenth in range(1, 11):
                time.sleep(max(0, began + tenth * seconds / 10 - time.monotonic()))
                measured.append(figures_of(process.pid))
                count = sum(len(each.acknowledged) for each in senders)
                tell(time.monotonic() - began, measured[-1], count)
        finally:
            for each in senders:
                each.stopping.set()
            for each in senders:
                if each.ident is not None:
                    each.join()
            process.terminate()
            process.wait()
        for each in senders:
            if each.errors:
                raise each.errors[0]
        runs = Counter((folder / "journal").read_text().split())
    acknowledged = {name for each in senders for name in each.acknowledged}
    answers = sum((each.answers for each in senders), Counter[str]())
    lost = len(acknowledged - runs.keys())
    double = sum(count > 1 for count in runs.values())
    return Outcome(len(acknowledged), lost, double, measured[0], measured[-1], answers)


def _wait_for(process: "subprocess.Popen[bytes]", sender: Sender) -> None:
    while sender._post(b"", {}) != 400:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        time.sleep(0.05)


def main() -> int:
    """Soak each chosen server with each chosen store, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=SERVERS, action="append")
    parser.add_argument("--store", choices=STORES, action="append")
    parser.add_argument("--seconds", type=float, default=600, help="for each of them")
    chosen = parser.parse_args()
    failed = False
    for server in chosen.server or SERVERS:
        for store in chosen.store or STORES:
            if (server, store) == ("gunicorn", "memory"):
                continue  # a store in memory is for one process
            print(f"{server}, {store}\n  seconds  handled  rss KiB  descriptors  sockets  threads")
            outcome = soak(server, store, chosen.seconds, _print)
            faults = outcome.faults()
            failed = failed or bool(faults)
            print(f"  {'; '.join(faults) or 'as promised: 0 lost, 0 double, flat'}")
            print(f"  {dict(sorted(outcome.answers.items()))}", flush=True)
    return 1 if failed else 0


def _print(seconds: float, of: Figures, handled: int) -> None:
    print(
        f"{seconds:9.0f}{handled:9}{of.rss:9}{of.descriptors:13}{of.sockets:9}{of.threads:9}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
