"""What befalls workers and databases beside being killed."""

import os
import random
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import Postgres

from coffrify_webhooks.stores.statements import EVENTS, MARKS, SCHEMA

__all__ = [
    "demote",
    "drop_tables",
    "execute",
    "present",
    "starve",
    "suspend",
    "without_descriptors",
]

_TABLES = (EVENTS, MARKS, SCHEMA)


def demote(server: Postgres, database: str, pooler: PgBouncer | None = None) -> None:
    """Let all sessions only read from now on, except those that begin later.

    So it is after a failover for whoever stays connected to the old primary. A pooler is told a
    moment later, as by the tool that has promoted the new one.
    """
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in (
            f"ALTER DATABASE {database} SET default_transaction_read_only = off",
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        ):
            connection.execute(statement.encode())
    if pooler is not None:
        time.sleep(1)
        pooler.reconnect()


def drop_tables(environment: dict[str, str], *, django: bool) -> None:
    """Forget all claims, as when a backup of before is restored."""
    url = environment["CHAOS_STORE"]
    if django:
        command = [sys.executable, "-c", "from tests.chaos.app import forget; forget()"]
        subprocess.run(command, check=True, env=environment)
    elif url.startswith("redis:"):
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushall()
    elif url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition(":///")[2], timeout=20)) as file:
            file.executescript("".join(f"DROP TABLE {name};" for name in _TABLES))
    else:
        _insist(lambda: execute(url, f"DROP TABLE {', '.join(_TABLES)}"))


def _insist(act: Callable[[], object], seconds: float = 20) -> None:
    """Act, as soon as the database lets us: it may have been killed, and its pooler wary."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            act()
        except OperationalError:
            time.sleep(0.2)
        else:
            return
    act()


def execute(url: str, statement: str) -> list[Any]:
    """Execute SQL, and return its rows."""
    from sqlalchemy import create_engine, text

    for plain, full in (("postgresql:", "postgresql+psycopg:"), ("mysql:", "mysql+pymysql:")):
        url = url.replace(plain, full, 1)
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


def suspend(pid: int, seconds: float) -> None:
    """Stop a process for so long."""
    os.kill(pid, SIGSTOP)
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(pid, SIGCONT)


def without_descriptors(pid: int, seconds: float) -> None:
    """Let a process open a few files or sockets more, or none, for so long."""
    with suppress(ProcessLookupError, FileNotFoundError):  # it may be killed at any moment
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max((int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir()), default=3)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + random.randint(1, 4), hard))
        time.sleep(seconds)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def present(file: Path) -> Generator[None]:
    """Have a file there, for which the processes look."""
    file.touch()
    try:
        yield
    finally:
        file.unlink()


def starve(starved: Path) -> None:
    """Let no thread of this process start while there is a file; no limit of memory binds root."""
    name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
    start = getattr(threading, name)

    def unless_starved(*arguments: Any, **options: Any) -> Any:
        if starved.exists():
            raise RuntimeError("can't start new thread")
        return start(*arguments, **options)

    setattr(threading, name, unless_starved)
