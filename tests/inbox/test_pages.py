"""What the inbox's pages show, of whatever a sender or a handler wrote."""

import html
import json
import re
from html.parser import HTMLParser

import pytest
from tests.cli.stored_events import SECRET, StoredEvents
from tests.inbox.visitor import Shop, Visitor

from coffrify_webhooks import sign
from coffrify_webhooks.inbox import search as searching


def attributes(page: str) -> set[str]:
    """Return the names of all attributes on a page."""
    names: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names.update(name for name, _ in attrs)

    Reader().feed(page)
    return names


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_events_are_found_by_id_key_error_type_status_and_time() -> None:
    """Each filter leaves out what does not fit it."""
    shop = Shop()
    shop.stored.put("evt_done", age=7200)
    failed = shop.stored.put("evt_failed", "failed")
    shop.stored.put("evt_other", type_="payout.created")
    visitor = Visitor(shop.inbox())

    def found(query: str) -> list[str]:
        return re.findall(r'title="(evt_\w+)"', visitor.get("/", query).text)

    assert found("") == ["evt_other", "evt_failed", "evt_done"]
    assert found("q=evt_done") == ["evt_done"]
    assert found(f"q={failed[:12]}") == ["evt_failed"]
    assert found("q=VALUEERROR") == ["evt_failed"]
    assert found("type=payout.*") == found("type=payout.created") == ["evt_other"]
    assert found("status=failed") == ["evt_failed"]
    assert found("within=1h") == ["evt_other", "evt_failed"]
    assert found("q=evt_done&status=failed") == []
    assert found("status=nonsense&within=nonsense&after=nonsense") == found("")


def test_an_event_of_the_longest_id_is_found_by_it() -> None:
    """What is searched for is not cut."""
    shop = Shop()
    for letter in "ab":
        shop.stored.put("evt_" + "x" * 246 + letter, "failed")
    page = Visitor(shop.inbox()).get("/", f"q=evt_{'x' * 246}a").text
    assert page.count("<tr id=") == 1


def test_a_list_holds_one_page_and_leads_to_the_next() -> None:
    """Nobody's browser is sent a hundred thousand rows; every event is on one page."""
    shop = Shop()
    ids = [f"evt_{n}" for n in range(searching.PAGE + 5)]
    for each in ids:
        shop.stored.put(each)
    visitor = Visitor(shop.inbox(), "/inbox")
    first = visitor.get("/")
    older = re.search(r'href="/inbox/\?(after=[^"]+)">Older events', first.text)
    assert older is not None
    second = visitor.get("/", html.unescape(older[1]))
    pages = [re.findall(r'title="(evt_\w+)"', page.text) for page in (first, second)]
    assert list(map(len, pages)) == [searching.PAGE, 5]
    assert sorted(pages[0] + pages[1]) == sorted(ids)
    assert 'hx-trigger="every 5s"' in first.text
    assert "hx-trigger" not in second.text


def test_a_search_looks_at_a_bounded_number_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rare text is searched for in steps, each of which leads to the next."""
    monkeypatch.setattr(searching, "LOOKED_AT", 60)
    shop = Shop()
    shop.stored.put("evt_rare", "failed")
    for n in range(70):
        shop.stored.put(f"evt_{n}")
    visitor = Visitor(shop.inbox())
    first = visitor.get("/", "q=ValueError").text
    assert "No event matches, among those searched." in first
    further = re.search(r'href="/\?([^"]+)">Search further back', first)
    assert further is not None
    assert "evt_rare" in visitor.get("/", html.unescape(further[1])).text
    assert "evt_rare" in visitor.get("/", "q=evt_rare").text  # an id needs no search


def test_nothing_of_a_stranger_s_text_is_markup() -> None:
    """Ids, types, errors, payloads, queries and paths are escaped wherever they are shown."""
    shop = Shop()
    body = f'{{"type": "transfer.created", "note": "{HOSTILE[2:]}"}}'.encode()
    key = shop.stored.put("evt_x", "failed", body=body)
    shop.stored.put(HOSTILE, "failed", type_=HOSTILE)
    unknown = json.dumps({"id": "evt_y", "type": HOSTILE, "data": {}}).encode()
    shop.receiver.receive(unknown, sign(unknown, SECRET))
    visitor = Visitor(shop.inbox(bodies=True))
    hostile = next(each.key for each in shop.receiver.store.find() if each.type == HOSTILE)
    pages = [
        visitor.get("/"),
        visitor.get("/", "q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&type=%22%3E%3Cscript%3E"),
        visitor.get(f"/event/{key}"),
        visitor.get(f"/event/{hostile}"),
        visitor.get(f"/{HOSTILE}"),
        visitor.post("/forget", [("key", hostile)]),
        visitor.post("/replay", [("key", hostile), ("confirmed", "yes")]),
        visitor.get("/handlers"),
        visitor.get("/health"),
        visitor.get("/drift"),
    ]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert re.findall(r"<script[^>]*>", page.text) in (
            [],
            ['<script src="/static/htmx.min.js" defer>'],
        )
        names = attributes(page.text)
        assert not [each for each in names if each.startswith("on") or each == "style"]
    assert "&lt;img src=x" in pages[2].text
    assert "&lt;img src=x" in pages[-1].text


def test_a_body_takes_a_permission_of_its_own() -> None:
    """Without it, a page says how large the body is, and that it is hidden."""
    shop = Shop()
    key = shop.stored.put("evt_1", "failed", body=b'{"type": "transfer.created", "s": "private"}')
    hidden = Visitor(shop.inbox()).get(f"/event/{key}").text
    assert "private" not in hidden
    assert "44 bytes kept" in hidden
    assert "Bodies are hidden" in hidden
    assert "private" in Visitor(shop.inbox(bodies=True)).get(f"/event/{key}").text


def test_an_event_s_page_shows_error_attempts_and_handlers() -> None:
    """Which handler has finished, and which one has not."""
    shop = Shop()
    name = shop.receiver.router.handlers[0].name
    key = shop.stored.put("evt_1", "failed", finished="shop:gone")
    page = Visitor(shop.inbox()).get(f"/event/{key}").text
    assert "shop:announce raised ValueError at shop.py:7" in page
    assert f"{name}</code><span>not finished" in page
    assert "shop:gone</code><span>finished; not registered here" in page
    assert "standard signature" in page


def test_conflicting_bodies_are_shown_as_a_difference() -> None:
    """From another body of the same id, where one is kept."""
    shop = Shop()
    shop.stored.put("evt_1")
    shop.stored.put("evt_1", "conflict", body=b'{"type": "transfer.created", "amount": 1}')
    key = shop.stored.put("evt_1", "conflict", body=b'{"type": "transfer.created", "amount": 2}')
    page = Visitor(shop.inbox(bodies=True)).get(f"/event/{key}").text
    assert '<span class="del">-  &#34;amount&#34;: 1' in page
    assert '<span class="add">+  &#34;amount&#34;: 2' in page
    alone = Visitor(shop.inbox()).get(f"/event/{key}").text
    assert "amount" not in alone


def test_events_of_another_receiver_are_not_shown() -> None:
    """Its inbox is another, with an authorize of its own."""
    shop = Shop()
    key = shop.stored.put("evt_theirs", receiver="others")
    visitor = Visitor(shop.inbox())
    assert "evt_theirs" not in visitor.get("/").text
    assert "evt_theirs" not in visitor.get("/", f"q={key}").text
    assert visitor.get(f"/event/{key}").status == 404
    assert visitor.post("/forget", [("key", key), ("confirmed", "yes")]).status == 400
    assert shop.receiver.store.get(key) is not None


def test_a_refused_request_is_shown_with_what_the_doctor_finds() -> None:
    """Where they are captured; the body again only with the permission."""
    stored = StoredEvents()
    shop = Shop(stored)
    shop.receiver.captures.most = 5
    shop.receiver.receive(b'{"type": "private"}', {"content-type": "application/json"})
    visitor = Visitor(shop.inbox())
    listed = visitor.get("/refused").text
    link = re.search(r'href="(/event/\w+)"', listed)
    assert link is not None
    page = visitor.get(link[1]).text
    assert "header_missing" in page
    assert "&#34;private&#34;" not in page
    assert "private" in Visitor(shop.inbox(bodies=True)).get(link[1]).text
    assert "refused request" not in visitor.get("/").text.replace("/refused", "")


def test_health_and_handlers_say_what_their_numbers_are_of() -> None:
    """Counts are of the store, and the rest of the events whose status changed last."""
    shop = Shop()
    name = shop.receiver.router.handlers[0].name
    shop.stored.put("evt_1", finished=name)
    shop.stored.put("evt_2", "failed")
    visitor = Visitor(shop.inbox())
    health, handlers = visitor.get("/health").text, visitor.get("/handlers").text
    assert "All is well" in health
    assert re.search(r"<dt>failed</dt><dd class=\"num\">1</dd>", health)
    assert "The last 1000 events" in health
    assert f"{name}</code>" in handlers
    assert "transfer.*" in handlers
    assert "cover only the last 1000 events" in handlers


def test_a_handler_s_failure_rate_is_of_the_events_that_it_was_given() -> None:
    shop = Shop()
    for number, shop.failing in enumerate((True, False, False, False)):
        body = json.dumps({"id": f"evt_{number}", "type": "transfer.created", "data": {}}).encode()
        shop.receiver.receive(body, sign(body, SECRET))
    page = Visitor(shop.inbox()).get("/handlers").text
    assert re.search(r'"num">3</td><td class="num">1</td><td class="num">25%</td>', page)


def test_a_list_in_which_nothing_can_be_replayed_does_not_offer_it() -> None:
    """A control that cannot be used is not shown as if it could."""
    shop = Shop()
    shop.stored.put("evt_1")
    visitor = Visitor(shop.inbox())
    assert "Replay selected" not in visitor.get("/").text
    shop.stored.put("evt_2", "failed")
    assert "Replay selected" in visitor.get("/").text
    assert "Replay selected" not in visitor.get("/", "status=done").text


def test_types_that_have_moved_away_are_listed_with_their_fields() -> None:
    """As `coffrify-webhooks catalog drift` does; a store that cannot keep them says so."""
    shop = Shop()
    visitor = Visitor(shop.inbox())
    assert "Every event that has arrived fits" in visitor.get("/drift").text
    shop.receiver.router.on("*", name="all")(lambda event: None)
    for type_, data in (("transfer.archived", {}), ("transfer.created", {"files": 5})):
        body = json.dumps({"id": f"evt_{type_[9:]}", "type": type_, "data": data}).encode()
        assert shop.receiver.receive(body, sign(body, SECRET)).outcome == "handled"
    text = visitor.get("/drift").text
    assert re.search(r"transfer\.archived</span></td><td>unknown type</td>", text)
    assert re.search(r"transfer\.created</span></td><td>does not fit</td>", text)
    assert re.search(r">data\.files: \w+</code>", text)
    assert "catalog pull" in text
    shop.receiver.store = Unordered(shop.receiver.store)  # type: ignore[assignment]
    assert "This store cannot keep this list" in visitor.get("/drift").text


class Unordered:
    """A store of the user's own, without marks."""

    def __init__(self, store: object) -> None:
        self.find = store.find  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2f..%2fpyproject.toml",
        "/static//etc/passwd",
        "/static/",
        "/event/",
        "/event/../../x",
        "//evil.example/",
        "/event/" + "g" * 64,
        "/event/" + "0" * 64,
        "/\u20ac".encode().decode("latin-1"),
    ],
)
@pytest.mark.parametrize("root", ["", "/inbox", "/a/b c"])
def test_path_tricks_lead_nowhere(root: str, path: str) -> None:
    """Files are a fixed list, and a key is 64 digits."""
    answer = Visitor(Shop().inbox(), root).get(path)
    assert answer.status == 404
    assert f'href="{root.replace(" ", "%20")}/"' in answer.text


@pytest.mark.parametrize(
    ("root", "location"),
    [("/inbox", "/inbox/"), ("", "/"), ("//evil.example", "/evil.example/"), ("/\\evil", "/evil/")],
)
def test_the_mount_itself_leads_to_its_slash_on_this_host(root: str, location: str) -> None:
    """Whatever a server takes for the mount's path: never to another host."""
    answer = Visitor(Shop().inbox(), root).get("")
    assert (answer.status, answer.headers["Location"]) == (302, location)
