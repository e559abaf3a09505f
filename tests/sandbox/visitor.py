"""Who visits the sandbox's dashboard, what it sends to, and what it is given to show."""

import http.client
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

from coffrify_webhooks_sandbox import Sandbox

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'


class Receiver:
    """A WSGI application that answers as told."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.body = b"ok"
        self.got: list[bytes] = []

    def __call__(self, environ: Any, start: Any) -> list[bytes]:
        self.got.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start(self.status, [("Content-Type", "text/html"), ("X-Hostile", HOSTILE[:-1])])
        return [self.body]


class Answer:
    """What the dashboard answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def location(self) -> str:
        return self.headers["Location"]


class Client:
    """Asks a sandbox's dashboard, as a browser does without JavaScript."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.port = urlsplit(sandbox.url).port or 0

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, "", headers)

    def post(self, path: str, *pairs: tuple[str, str], **headers: str) -> Answer:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return self._ask("POST", path, urlencode(pairs), headers)

    def head(self, path: str) -> Answer:
        return self._ask("HEAD", path, "", {})

    def _ask(self, method: str, path: str, body: str, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            return Answer(connection.getresponse())
        finally:
            connection.close()


class Fields(HTMLParser):
    """What a browser would send of the page's largest form, line breaks changed as it does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[list[tuple[str, str]]] = []
        self.select = ""
        self.area = ""
        self.feed(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"))
        self.pairs = max(self.forms, key=len)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append([])
        elif tag == "select":
            self.select = found["name"]
        elif tag == "option" and "selected" in found and self.forms:
            self.forms[-1].append((self.select, found["value"]))
        elif tag == "textarea":
            self.area = found["name"]
            self.forms[-1].append((self.area, ""))
        elif tag == "input" and self.forms and found.get("type") not in ("checkbox", "radio"):
            name = found["name"].replace("\n", "\r\n")
            self.forms[-1].append((name, found.get("value", "").replace("\n", "")))

    def handle_data(self, data: str) -> None:
        if self.area:
            typed = data.removeprefix("\n").replace("\n", "\r\n")
            self.forms[-1][-1] = (self.area, typed)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = ""

    def changed(self, **texts: str) -> list[tuple[str, str]]:
        """Return the fields with other texts in some of them."""
        return [(name, texts.pop(name, value)) for name, value in self.pairs] + [*texts.items()]
