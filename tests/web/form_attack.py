"""Sends hostile values by every form of an application's pages, and judges each reply."""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from tests.in_time import in_time
from tests.web.forms import Form, PageReader, without_ids

__all__ = ["Attack", "Reply"]

MARK = "zz-mark"
MARKUP = f"'\"><{MARK} on{MARK}=1><script>{MARK}()</script>"
HOSTILE: tuple[bytes, ...] = (
    MARKUP.encode(),
    f"</textarea></select></script>{MARKUP}".encode(),
    f"javascript:{MARK}()".encode(),
    b"\0",
    b"a\0b",
    b"\xed\xa0\x80",  # a lone surrogate, as some write it
    b"\xff\xfe",
    "\u202e\u2028\U000e0001".encode(),
    b"",
    b" ",
    b"9" * 5_000,
    b"x" * 60_000,
    b"x" * 1_200_000,
    b"[" * 30_000,
    b'{"a":' * 900 + b"1" + b"}" * 900,
    b'{"a": 1e999, "b": NaN, "a": "\\ud800"}',
    f'{{"{MARKUP[2:]}": "\\u003c{MARK}\\u003e"}}'.encode(),
    b"-1",
    b"1e400",
    b"NaN",
    b"9223372036854775808",
    "\u0663".encode(),
    b"1\r\nSet-Cookie: mark=1\r\n\r\n<zz-mark>",
    b"/../../../etc/passwd",
    b"//evil.example/",
    b"/\\evil.example",
    b"http://127.0.0.1:9/<zz-mark>?\"'",
    b"http://[::1",
    b"http://a:b@127.0.0.1:99999/",
    b"{{7*7}}{0}%s%n",
    b"0" * 64,
    b"transfer.*",
    b"*",
    b"0001-01-01T00:00",
    b"9999-12-31T23:59",
    b"9999999999-" + b"0" * 64,
)
MOST_BYTES = 8_000_000
_OUTSIDE = re.compile(r"^/(?:static|v1|live)\b")
_OF_A_KIND = 2
"""Pages of the same path but for its ids."""


class Reply(NamedTuple):
    """What the application answered."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes


class Attack:
    """Crawls an application from its first page.

    ask: sends a request: its method, its path with the query, and its form, percent-encoded.
    """

    def __init__(self, ask: Callable[[str, str, bytes], Reply], seed: int) -> None:
        self._ask = ask
        self._random = Random(seed)
        self._hostile = self._endlessly()
        self._seen: Counter[object] = Counter()
        self.forms: list[Form] = []
        self.statuses: Counter[int] = Counter()

    def crawl(self, *paths: str) -> None:
        """Find the forms of every page to which links lead."""
        waiting = deque(paths)
        while waiting:
            path = waiting.popleft()
            kind = without_ids(urlsplit(path).path), bool(urlsplit(path).query)
            self._seen[kind] += 1
            if _OUTSIDE.match(path) or self._seen[kind] > _OF_A_KIND:
                continue
            page = self._judge("GET", path, b"")
            if page is not None:
                waiting += [each for each in page.links if each.startswith("/")]

    def send(self, rounds: int) -> None:
        """Send each form so many times, and those that come to light meanwhile."""
        for form in self.forms:  # which grows
            for _ in range(rounds):
                self._send(form)

    def _send(self, form: Form) -> None:
        random = self._random
        pairs = [
            (name.encode("utf-8", "replace"), value.encode("utf-8", "replace"))
            for name, value in form.pairs
        ]
        action = form.action
        if form.buttons:
            name, value, own = random.choice(form.buttons)
            action = own or action
            pairs.append((name.encode(), value.encode()))
        for place in random.sample(range(len(pairs)), min(len(pairs), random.choice((1, 1, 2, 9)))):
            pairs[place] = (pairs[place][0], next(self._hostile))
        match random.randrange(12):
            case 0 if pairs:
                pairs.pop(random.randrange(len(pairs)))
            case 1 if pairs:
                pairs.append((random.choice(pairs)[0], next(self._hostile)))
            case 2:
                pairs.append((next(self._hostile), next(self._hostile)))
            case 3 if sum(len(value) for _, value in pairs) < 10_000:
                pairs *= 200
            case 4:
                head, _, _ = action.rpartition("/")
                action = f"{head}/{quote(next(self._hostile)[:2000], safe='/')}"
        sent = b"&".join(_quoted(name) + b"=" + _quoted(value) for name, value in pairs)
        if form.method == "GET":
            self._judge("GET", f"{action}?{sent[:60_000].decode()}", b"")
        else:
            self._judge("POST", action, sent)

    def _judge(self, method: str, path: str, sent: bytes) -> PageReader | None:
        """Ask, and judge the reply; returns the page, if it is one."""
        with in_time(5):
            reply = self._ask(method, path, sent)
        self.statuses[reply.status] += 1
        about = f"{method} {path[:300]} {sent[:2000]!r}"
        assert reply.status < 500, about
        assert len(reply.body) < MOST_BYTES, about
        assert "set-cookie" not in reply.headers, about
        location = reply.headers.get("location", "/")
        assert location.startswith("/"), about
        assert location[1:2] not in ("/", "\\"), about
        if "html" not in reply.headers.get("content-type", ""):
            return None
        page = PageReader(reply.body.decode())
        assert MARK not in page.tags, about
        own = not any(each.startswith("on") or MARK in each for each in page.attributes)
        assert own, about
        assert f"<script>{MARK}" not in reply.body.decode(), about
        for form in page.forms:
            self._seen[form.shape] += 1
            if self._seen[form.shape] == 1:
                self.forms.append(form)
        return page

    def _endlessly(self) -> Iterator[bytes]:
        """Yield each hostile value as often as the others, in any order."""
        while True:
            yield from self._random.sample(HOSTILE, len(HOSTILE))


@lru_cache(10_000)
def _quoted(text: bytes) -> bytes:
    return quote(text, safe="").encode()
