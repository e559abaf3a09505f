"""What somebody who may not enter can make the inbox do: nothing but refuse."""

import asyncio
import io
from typing import Any

import pytest
from tests.inbox.visitor import set_up_django

from coffrify_webhooks import Receiver
from coffrify_webhooks.django.inbox import inbox_view
from coffrify_webhooks.inbox import Inbox, InboxRequest, inbox_app

SECRET = "whsec_" + "ab" * 32


def refuse(_request: InboxRequest) -> bool:
    return False


async def refuse_async(_request: InboxRequest) -> bool:
    return False


@pytest.fixture(params=[refuse, refuse_async], ids=["sync", "async"])
def inbox(request: pytest.FixtureRequest) -> Inbox:
    return inbox_app(Receiver(SECRET, store="memory:"), authorize=request.param)


def ask(inbox: Inbox, **scope: Any) -> tuple[list[Any], int]:
    """Return what was sent, and how often the inbox waited for the client."""
    sent: list[Any] = []
    waits = 0

    async def receive() -> Any:
        nonlocal waits
        waits += 1
        return {"type": f"{scope['type']}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    whole = {"path": "/", "headers": [(b"content-length", b"100")], **scope}
    asyncio.run(inbox(whole, receive, send))
    return sent, waits


def test_a_strangers_form_is_not_waited_for(inbox: Inbox) -> None:
    sent, waits = ask(inbox, type="http", method="POST")
    assert (sent[0]["status"], waits) == (403, 0)


def test_a_strangers_form_is_not_read_under_wsgi(inbox: Inbox) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError(size)

    statuses: list[str] = []
    environ: Any = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "100", "wsgi.input": Endless()}
    start: Any = lambda status, _headers: statuses.append(status)  # noqa: E731
    list(inbox.wsgi(environ, start))
    assert statuses == ["403 Forbidden"]


def test_a_websocket_is_closed(inbox: Inbox) -> None:
    """Each browser may ask for one; it is no error of the application."""
    sent, _ = ask(inbox, type="websocket")
    assert [each["type"] for each in sent] == ["websocket.close"]


def test_a_form_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coffrify_webhooks.inbox.app._FORM_WITHIN", 0.05)
    inbox = inbox_app(Receiver(SECRET, store="memory:"), authorize=lambda _request: True)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(inbox(scope, receive, send))
    assert sent[0]["status"] == 413


def test_a_strangers_form_is_not_read_in_django(inbox: Inbox) -> None:
    class Request:
        scheme = "https"
        method, path, META, headers = "POST", "/inbox/", {"CONTENT_LENGTH": "100"}, dict[str, str]()

        @property
        def body(self) -> bytes:
            raise AssertionError

    set_up_django()
    request: Any = Request()
    assert inbox_view(inbox)(request).status_code == 403
