"""A real MariaDB, from Debian's package mariadb-server."""

import os
import shutil
import subprocess
from contextlib import suppress
from typing import NoReturn

import pymysql
import pytest
from tests.servers.process import Server

__all__ = ["MariaDB"]

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def _missing() -> NoReturn:
    """Skip the test; not in CI, where it is a failure."""
    text = "MariaDB is not installed; run: apt-get install mariadb-server"
    if os.environ.get("CI"):
        raise RuntimeError(text)
    pytest.skip(text)


class MariaDB(Server):
    """A MariaDB with the user `root` and no password; `url` is that of its database `test`.

    durable: flush each commit to the disk, as a default installation does.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        super().__init__()

    def prepare(self) -> None:
        self.data = self.folder / "data"
        install = shutil.which("mariadb-install-db", path=_PATH)
        if install is None:
            _missing()
        subprocess.run(
            [
                install,
                "--no-defaults",
                f"--datadir={self.data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *self._as_root(),
            ],
            check=True,
            capture_output=True,
        )

    def command(self) -> list[str]:
        server = shutil.which("mariadbd", path=_PATH)
        assert server
        return [
            server,
            "--no-defaults",
            f"--datadir={self.data}",
            # A server that starts removes the temporary tables that others have in a shared one.
            f"--tmpdir={self.folder}",
            f"--socket={self.folder / 'socket'}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--skip-name-resolve",
            # A killed process loses nothing by 2.
            f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
            *self._as_root(),
        ]

    def ready(self) -> bool:
        with suppress(pymysql.OperationalError):
            self._execute("CREATE DATABASE IF NOT EXISTS test")
            return True
        return False

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/test"

    def database(self, name: str) -> str:
        """Make an empty database, and return its URL."""
        self._execute(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}`")
        return self.url.removesuffix("test") + name

    def _execute(self, *statements: str) -> None:
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", connect_timeout=2, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @staticmethod
    def _as_root() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []
