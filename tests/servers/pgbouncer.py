"""A real PgBouncer, from Debian's package pgbouncer."""

import os
import shutil
from contextlib import suppress
from typing import NoReturn

import psycopg
import pytest
from tests.servers.postgres import Postgres
from tests.servers.process import Server

__all__ = ["PgBouncer"]

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def _missing() -> NoReturn:
    """Skip the test; not in CI, where it is a failure."""
    text = "PgBouncer is not installed; run: apt-get install pgbouncer"
    if os.environ.get("CI"):
        raise RuntimeError(text)
    pytest.skip(text)


class PgBouncer(Server):
    """Pools the connections to a PostgreSQL by transaction, `size` of them for each database."""

    # It refuses to be run by root.
    user = "nobody" if os.geteuid() == 0 else None

    def __init__(self, postgres: Postgres, size: int = 2) -> None:
        self.postgres = postgres
        self.size = size
        super().__init__()

    def prepare(self) -> None:
        self.settings = self.folder / "pgbouncer.ini"
        self.settings.write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={self.postgres.port} user=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {self.size}\n"
            "max_client_conn = 500\nserver_login_retry = 1\n"
            "admin_users = postgres\n"
        )

    def command(self) -> list[str]:
        server = shutil.which("pgbouncer", path=_PATH)
        return [server or _missing(), str(self.settings)]

    def ready(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            return True
        return False

    def reconnect(self) -> None:
        """Let it replace each of its connections when it is next free, as after a failover."""
        with psycopg.connect(self.url("pgbouncer"), autocommit=True) as console:
            psycopg.ClientCursor(console).execute("RECONNECT")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
