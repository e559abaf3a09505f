"""One attempt, at receivers that do what they like: bounded time and memory, and an error of ours.

On real sockets; what the receiver does with a connection is a function.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks_sandbox import sender as module
from coffrify_webhooks_sandbox.address import allowed_hosts, check_url
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.sender import Answer, Request, Sender

Behaviour = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """Listens, and lets a function deal with each connection."""

    def __init__(self, behave: Behaviour) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.behave = behave
        self.connections: list[socket.socket] = []
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        workers: list[threading.Thread] = []
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                break
            self.connections.append(connection)
            workers.append(threading.Thread(target=self._serve, args=(connection,)))
            workers[-1].start()
        for worker in workers:
            worker.join()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.behave(connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/hook"

    def close(self) -> None:
        self.closing.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()


@pytest.fixture
def receivers() -> Iterator[Callable[[Behaviour], Receiver]]:
    made: list[Receiver] = []

    def make(behave: Behaviour) -> Receiver:
        made.append(Receiver(behave))
        return made[-1]

    yield make
    for receiver in made:
        receiver.close()


def sent(url: str, timeout: float = 20.0, **options: object) -> tuple[Answer, float]:
    async def send() -> Answer:
        sender = Sender(timeout=timeout)
        try:
            return await sender.send(Request(url, {"X": "1"}, b'{"a": 1}', **options))  # type: ignore[arg-type]
        finally:
            await sender.close()

    began = time.monotonic()
    return asyncio.run(send()), time.monotonic() - began


def request_of(connection: socket.socket) -> bytes:
    found = b""
    while b'{"a": 1}' not in found:
        chunk = connection.recv(65_536)
        if not chunk:
            break
        found += chunk
    return found


def test_status_headers_and_body_of_an_answer_are_kept(
    receivers: Callable[[Behaviour], Receiver],
) -> None:
    """Status, headers, body and duration of an answer are kept."""
    seen: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(OK)

    answer, took = sent(receivers(behave).url)
    assert (answer.status, answer.error, answer.body) == (200, "", b"ok")
    assert ("content-length", "2") in {(name.lower(), value) for name, value in answer.headers}
    assert 0 < answer.seconds <= took
    assert b"Content-Length: 8\r\n" in seen[0]
    assert b"accept-encoding: identity\r\n" in seen[0].lower()  # or nobody could read the answer


def test_redirect_is_not_followed(receivers: Callable[[Behaviour], Receiver]) -> None:
    """A redirect is an answer as any other: nothing is sent elsewhere."""
    other = receivers(lambda connection: None)

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(
            f"HTTP/1.1 307 T\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    answer, _ = sent(receivers(behave).url)
    assert answer.status == 307
    assert other.connections == []


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"hello\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", "not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "was cut off"),
        (b"", "was cut off"),
    ],
)
def test_a_broken_answer_is_told_in_words(
    receivers: Callable[[Behaviour], Receiver], reply: bytes, says: str
) -> None:
    """An answer that breaks off, or is none, is told in words."""

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(reply)

    answer, _ = sent(receivers(behave).url)
    assert answer.status is None
    assert says in answer.error


def test_a_receiver_that_never_answers_costs_the_timeout(
    receivers: Callable[[Behaviour], Receiver],
) -> None:
    """A receiver that never answers costs the timeout, and no more."""

    def behave(_connection: socket.socket) -> None:
        receiver.closing.wait(20)

    receiver = receivers(behave)
    answer, took = sent(receiver.url, timeout=0.3)
    assert (answer.status, answer.error) == (None, "no answer within 0.3 s")
    assert took < 10


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_dripping_answer_costs_the_timeout(
    receivers: Callable[[Behaviour], Receiver], head: bytes
) -> None:
    """A receiver that drips its answer byte by byte costs the timeout, and no more."""

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(head)
        for byte in b"HTTP/1.1 200 OK\r\n" * 1000:
            if receiver.closing.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    receiver = receivers(behave)
    answer, took = sent(receiver.url, timeout=0.4)
    assert answer.status is None
    assert "no answer within" in answer.error
    assert took < 10


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"\x00\xff\xfe nonsense\r\n\r\n",
        b"HTTP/1.1 999999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 300_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
    ],
    ids=["closes", "short", "nonsense", "status", "chunks", "header", "headers", "switches"],
)
def test_an_answer_of_nonsense_is_an_error_of_ours(
    receivers: Callable[[Behaviour], Receiver], said: bytes
) -> None:
    """A receiver that closes or answers nonsense is an error of ours, soon."""

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(said)

    answer, took = sent(receivers(behave).url, timeout=20)
    assert answer.status is None or answer.status == 101
    assert answer.error or answer.status
    assert took < 10


def test_of_a_large_answer_only_the_beginning_is_read(
    receivers: Callable[[Behaviour], Receiver],
) -> None:
    """Of an answer of 50 MB the first 64 kB are kept, and the rest is never taken."""

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        with suppress(OSError):  # the sender has read enough
            for _ in range(500):
                connection.sendall(b"x" * 100_000)
                taken.append(100_000)
        over.set()

    taken: list[int] = []
    over = threading.Event()
    answer, _ = sent(receivers(behave).url, timeout=60)
    assert (answer.status, answer.body) == (200, b"x" * 65_536)
    assert over.wait(60)
    assert sum(taken) < 30_000_000  # what the sockets' buffers hold, nothing of it read


def test_a_packed_answer_is_kept_as_it_came(receivers: Callable[[Behaviour], Receiver]) -> None:
    """A body that would unpack to much more is kept as it came."""
    import gzip

    bomb = gzip.compress(b"\0" * 10_000_000)

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
        connection.sendall(head.encode() + bomb)

    answer, _ = sent(receivers(behave).url, timeout=5)
    assert answer.body == bomb


def test_a_port_where_nobody_listens_is_an_error() -> None:
    """A port where nobody listens is an error that says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer, _ = sent(f"http://127.0.0.1:{port}/")
    assert answer.error == "connection refused"


def test_a_proxy_of_the_environment_is_not_asked(
    receivers: Callable[[Behaviour], Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment is not asked: it would see every payload."""
    proxy = receivers(lambda connection: None)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def behave(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK)

    answer, _ = sent(receivers(behave).url)
    assert answer.status == 200
    assert proxy.connections == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost:8000/x?y=1", "https://127.1.2.3:1/"),
        *("http://[::1]:8000/", "http://[::1]/", "http://LOCALHOST/"),
    ],
)
def test_addresses_of_this_machine_may_be_sent_to(url: str) -> None:
    """Addresses of this machine may be sent to."""
    assert check_url(url, ()) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "http://127.0.0.1.example.com/", "http://10.0.0.1/"),
        *("http://0.0.0.0/", "http://169.254.169.254/", "http://localhost.example.com/"),
        *("http://2130706433/", "http://0x7f.1/", "http://[::ffff:10.0.0.1]/", "http://[::]/"),
        *("http://user:password@127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "//x/"),
        *("http://", "http:///x", "javascript:alert(1)", "http://127.0.0.1:99999/", ""),
        *("http://127.0.0.1:0/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "http://[x/"),
        *("http://127.0.0.1\\@example.com/", "http://\u0661/", "http://127.0.0.1/" + "x" * 3000),
        *("http://[::1]evil.com/", "http://evil[::1]/", "http://[::1]80/", "http://[::1]:80x/"),
        *(None, 5, [], b"http://127.0.0.1/"),
    ],
)
def test_any_other_address_is_refused_with_the_reason(url: object) -> None:
    """Whatever is no address of this machine, or none at all, is refused with the reason."""
    with pytest.raises(SandboxError) as raised:
        check_url(url, ())
    assert (raised.value.status, raised.value.code, raised.value.param) == (
        400,
        "invalid_url",
        "url",
    )


def test_an_allowed_host_may_be_sent_to() -> None:
    """A host that was allowed may be sent to, and with * any."""
    assert check_url("http://web:8000/", ("web",))
    assert check_url("https://example.com/", ("*",))
    with pytest.raises(SandboxError, match=r"--allow-host example\.com"):
        check_url("https://example.com/", ("web",))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (" Example.com ", "http://example.COM:8000/"),
        ("my_app-1.local", "http://my_app-1.local/"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ("[fe80::1]", "http://[fe80::1]:1/"),
        ("fe80::1", "http://[FE80::1]/"),
        ("10.0.0.1", "http://10.0.0.1/"),
        ("*", "http://example.com/"),
    ],
)
def test_a_host_may_be_allowed_however_it_is_written(host: str, url: str) -> None:
    """A name or an address may be allowed, however it is written, or all with *."""
    assert check_url(url, allowed_hosts(host)) == url


@pytest.mark.parametrize(
    "host",
    [
        *("http://example.com", "example.com:80", "example.com/x", "[::1]:80", "*.example.com"),
        *("", " ", "a b", "b\xfccher.example", "me@example.com", "a,b"),
    ],
)
def test_what_is_no_host(host: str) -> None:
    """What no URL can have as its host is refused, with the form to give."""
    with pytest.raises(ConfigurationError, match=r"without scheme and port.*--allow-host HOST"):
        allowed_hosts([host])


def test_why_there_is_no_connection(receivers: Callable[[Behaviour], Receiver]) -> None:
    """No TLS, and an unknown name, are told from a port where nobody listens."""
    plain = receivers(lambda connection: connection.sendall(OK))
    answer, _ = sent(plain.url.replace("http:", "https:"))
    assert answer.error.startswith("TLS failed (")
    answer, _ = sent("http://nowhere.invalid/", timeout=10)
    assert answer.error == "its host name is not known"


def test_many_senders_read_the_systems_certificates_once() -> None:
    """A test suite makes hundreds of sandboxes."""

    async def make_two() -> None:
        for _ in range(2):
            await Sender().close()

    module._certificates.cache_clear()
    asyncio.run(make_two())
    assert module._certificates.cache_info().misses == 1
