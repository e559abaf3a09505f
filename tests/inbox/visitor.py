"""A browser's part of HTTP, for an inbox as a WSGI application."""

import io
import os
from typing import NamedTuple
from urllib.parse import urlencode
from wsgiref.validate import validator

from tests.cli.stored_events import SECRET, StoredEvents

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.event import Event
from coffrify_webhooks.inbox import Inbox, inbox_app

__all__ = ["Answer", "Shop", "Visitor", "set_up_django"]

HOST = "shop.example"


def set_up_django() -> None:
    """Let views be made, as in a project's `urls.py`."""
    import django
    from django.conf import settings

    if not settings.configured:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
        django.setup()


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


class Shop:
    """A receiver over stored events, whose handler can be told to fail."""

    def __init__(self, stored: StoredEvents | None = None) -> None:
        self.stored = stored or StoredEvents()
        self.failing = False
        self.seen: list[str] = []
        self.notices: list[str] = []
        router = Router()
        router.on("transfer.*")(self.announce)
        self.receiver = Receiver(
            SECRET,
            router=router,
            store=self.stored.store,
            observers=[lambda notice: self.notices.append(f"{notice.kind}: {notice.text}")],
        )

    def announce(self, event: Event) -> None:
        if self.failing:
            raise RuntimeError("with a secret in its text")
        self.seen.append(str(event.id))

    def inbox(self, *, bodies: bool = False) -> Inbox:
        return inbox_app(
            self.receiver,
            authorize=lambda request: request.cookies.get("session") == "admin",
            bodies=(lambda _request: True) if bodies else None,
        )


class Visitor:
    """Somebody with a session, who asks an inbox that is mounted under `root`."""

    def __init__(
        self, inbox: Inbox, root: str = "", session: str = "admin", scheme: str = "https"
    ) -> None:
        self.app = validator(inbox.wsgi)
        self.root = root
        self.session = session
        self.scheme = scheme

    def get(self, path: str, query: str = "", **headers: str) -> Answer:
        return self.ask("GET", path, query, b"", headers)

    def post(self, path: str, form: list[tuple[str, str]] | None = None, **headers: str) -> Answer:
        sent = {"SEC_FETCH_SITE": "same-origin", "ORIGIN": f"https://{HOST}", **headers}
        return self.ask("POST", path, "", urlencode(form or []).encode(), sent)

    def ask(
        self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]
    ) -> Answer:
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": self.root,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "HTTP_HOST": HOST,
            "HTTP_COOKIE": f"session={self.session}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        environ |= {f"HTTP_{name}": value for name, value in headers.items() if value}
        for name, value in headers.items():
            if not value:
                environ.pop(f"HTTP_{name}", None)
        if method in ("GET", "HEAD"):
            del environ["CONTENT_LENGTH"], environ["CONTENT_TYPE"]
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, given: list[tuple[str, str]], _info: object = None) -> object:
            told.append((status, given))
            return io.BytesIO().write

        parts = self.app(environ, start)  # type: ignore[arg-type]
        try:
            text = b"".join(parts).decode()
        finally:
            parts.close()  # type: ignore[attr-defined]
        (status, given) = told[0]
        return Answer(int(status[:3]), dict(given), text)
