"""`coffrify-webhooks inbox`: served on loopback, for browsers that ask this machine by its name."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.stored_events import StoredEvents
from tests.inbox.visitor import Shop

from coffrify_webhooks.cli import inbox as command
from coffrify_webhooks.cli.source import Source
from coffrify_webhooks.inbox import wsgi

MAKE = wsgi.make_server


@contextmanager
def served(shop: Shop, monkeypatch: pytest.MonkeyPatch, *options: str) -> Iterator[int]:
    """Run the command in a thread; yields the port, and ends as by Ctrl-C."""
    servers: list[Any] = []
    ready = threading.Event()

    def made(*arguments: Any) -> Any:
        servers.append(MAKE(*arguments))
        ready.set()
        return servers[0]

    monkeypatch.setattr(wsgi, "make_server", made)
    source = Source(shop.stored.store, shop.receiver)
    arguments = ["--port", "0", *options]
    thread = threading.Thread(
        target=lambda: command.inbox.main(arguments, obj=source, standalone_mode=False)
    )
    thread.start()
    try:
        assert ready.wait(60)
        assert servers[0].server_address[0] == "127.0.0.1"
        yield servers[0].server_port
    finally:
        servers[0].shutdown()
        thread.join(60)


def ask(port: int, path: str, host: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.request("GET", path, headers={"Host": host})
        answer = client.getresponse()
        return answer.status, answer.read().decode()


def test_the_inbox_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was made to lead here is refused (DNS rebinding); bodies are shown if asked."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed")
    with served(shop, monkeypatch) as port:
        status, text = ask(port, "/", f"127.0.0.1:{port}")
        assert (status, "evt_1" in text) == (200, True)
        assert ask(port, "/", f"localhost:{port}")[0] == 200
        assert ask(port, "/", "LOCALHOST")[0] == 200
        assert ask(port, "/", f"evil.example:{port}")[0] == 403
        assert ask(port, "/", "127.0.0.1.evil.example")[0] == 403
        assert "tr_1" not in ask(port, f"/event/{key}", "localhost")[1]
    with served(shop, monkeypatch, "--bodies") as port:
        assert "tr_1" in ask(port, f"/event/{key}", "localhost")[1]


def test_a_store_without_a_receiver_has_no_inbox() -> None:
    """The message names the option."""
    result = CliRunner().invoke(command.inbox, obj=Source(StoredEvents().store, None))
    assert result.exit_code != 0
    assert "--app myapp.webhooks" in f"{result.output}{result.exception}"
