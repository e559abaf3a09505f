"""One POST by the standard library: what it returns, whatever a server does."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from coffrify_webhooks.cli.post import post


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection, and yield its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/in?x=1"
    thread.join(30)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", "the connection was closed"),
        (b"220 mail.example.com ESMTP\r\n", "not valid HTTP"),
        (b"HTTP/1.1 nonsense\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "was cut off"),
    ],
)
def test_an_answer_that_is_none_is_an_error_in_words(raw: bytes, error: str) -> None:
    """Nothing is raised for what a server can send."""
    with answering(lambda connection: connection.sendall(raw)) as url:
        response = post(url, {}, b"{}")
    assert response.status is None
    assert error in response.error


def test_a_long_answer_is_read_in_part() -> None:
    """Its memory is bounded."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(head + b"x" * 9_000_000)

    with answering(answer) as url:
        response = post(url, {}, b"{}")
    assert (response.status, len(response.body)) == (200, 65_536)


def test_an_answer_that_drips_is_not_waited_for() -> None:
    """The whole has one limit, though each byte comes in time."""
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.02):
                connection.sendall(b"x")

    with answering(answer) as url:
        response = post(url, {}, b"{}", timeout=0.3)
        over.set()
    assert (response.status, response.error) == (None, "no answer within 0.3 s")


def test_an_unknown_host_and_a_wrong_protocol_are_told_apart() -> None:
    """Each has its own remedy."""
    assert post("http://nosuchhost.invalid/", {}, b"").error == "its host name is not known"
    with answering(lambda connection: connection.sendall(b"HTTP/1.1 400 No\r\n\r\n")) as url:
        assert post(url.replace("http:", "https:"), {}, b"").error.startswith("TLS failed")
