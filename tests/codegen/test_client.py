"""The client: what it makes of whatever an API answers, and what it never does with the key."""

import json
import logging
import socket
import threading
import time
from email.utils import formatdate

import pytest
from tests.codegen.server import KEY, document, drip, drip_headers, serving
from tests.in_time import in_time

from coffrify_webhooks_codegen import catalog, package
from coffrify_webhooks_codegen.catalog import CatalogError, pull, transport
from coffrify_webhooks_codegen.catalog import cache as copies
from coffrify_webhooks_codegen.catalog.address import events_url
from coffrify_webhooks_codegen.errors import (
    PullError,
    RateLimitedError,
    RefusedError,
    UnavailableError,
)

TWO = document("a.b", "c.d")


@pytest.fixture
def api():
    with serving() as api:
        yield api


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in ("COFFRIFY_API_KEY", "COFFRIFY_API_URL", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def got(api, **options):
    """Pull without waiting for anything."""
    return pull(KEY, api.url, **{"sleep": lambda _: None, **options})


def types(catalog):
    return [event.type for event in catalog.events]


def refused(api, kind=PullError, **options):
    """What is said; the key never is."""
    with pytest.raises(kind) as caught:
        got(api, **options)
    assert KEY not in str(caught.value) + repr(caught.value)
    return str(caught.value)


def test_the_catalog_module_exports_pull_and_poll():
    """`catalog` itself has `pull` and `poll`, and says so of nothing else."""
    assert callable(catalog.pull)
    assert callable(catalog.poll)
    with pytest.raises(AttributeError, match="push"):
        _ = catalog.push


def test_a_pull_is_one_get_with_the_key(api):
    """One GET with the key, for JSON, not compressed, unconditional."""
    assert types(got(api.say(200, TWO))) == ["a.b", "c.d"]
    ((path, sent),) = api.asked
    assert path == "/v1/webhooks/events"
    assert sent["authorization"] == f"Bearer {KEY}"
    assert sent["accept"] == "application/json"
    assert sent["accept-encoding"] == "identity"
    assert not {"if-none-match", "if-modified-since"} & sent.keys()


def test_key_and_address_come_from_the_environment(api, monkeypatch):
    """Key and address come from the environment; arguments come first."""
    api.say(200, TWO)
    monkeypatch.setenv("COFFRIFY_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("COFFRIFY_API_URL", f"{api.url}/")
    pull()
    pull("cof_live_other")
    assert [sent["authorization"] for _, sent in api.asked] == [
        f"Bearer {KEY}",
        "Bearer cof_live_other",
    ]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("https://api.coffrify.com/v1", "https://api.coffrify.com/v1/webhooks/events"),
        ("https://api.coffrify.com/v1/", "https://api.coffrify.com/v1/webhooks/events"),
        ("https://api.coffrify.com", "https://api.coffrify.com/v1/webhooks/events"),
        ("https://api.coffrify.com/", "https://api.coffrify.com/v1/webhooks/events"),
        ("https://x.example/eu/v2", "https://x.example/eu/v2/webhooks/events"),
        ("https://x.example/v1/webhooks/events/", "https://x.example/v1/webhooks/events"),
        ("https://x.example/c.json?v=1", "https://x.example/c.json?v=1"),
        ("http://localhost:1/v1", "http://localhost:1/v1/webhooks/events"),
        ("http://[::1]:1", "http://[::1]:1/v1/webhooks/events"),
    ],
)
def test_an_address_is_read_with_or_without_its_version(given, asked):
    """A base with or without its version and its slash, and a complete address."""
    assert events_url(given) == asked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.coffrify.com/v1", "begin with https"),
        ("http://127.0.0.1.example.com/v1", "begin with https"),
        ("ftp://api.coffrify.com", "should be like"),
        ("file:///etc/passwd", "should be like"),
        ("api.coffrify.com", "should be like"),
        ("https://", "should be like"),
        ("https://[::1", "should be like"),
        ("https://x:99999", "should be like"),
        ("https://a b/", "should be like"),
        ("https://me:hunter2@api.coffrify.com", "no user name"),
        ("https://api.coffrify.com/v1?a=b", "no query"),
    ],
)
def test_an_address_that_would_lose_the_key_is_refused(url, said):
    """An address that would lose the key, or is none, is refused and not repeated."""
    with pytest.raises(PullError, match=said) as caught:
        pull(KEY, url, cache=False)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_is_sent(key):
    """Without a key nothing is sent, and the variable is named."""
    with pytest.raises(RefusedError, match="COFFRIFY_API_KEY"):
        pull(key, "http://127.0.0.1:9")


@pytest.mark.parametrize("key", ["cof live", "cof\r\nX: y", "clé", "k" * 2000])
def test_an_impossible_key_is_neither_sent_nor_repeated(key):
    """A key that cannot be one is not sent, and not repeated."""
    with pytest.raises(RefusedError, match="plain text") as caught:
        pull(key, "http://127.0.0.1:9")
    assert key not in str(caught.value)


def test_a_json_file_is_asked_without_the_key(api, monkeypatch):
    """A `.json` file is asked without the key of the environment."""
    monkeypatch.setenv("COFFRIFY_API_KEY", KEY)
    pull(api_url=f"{api.say(200, TWO).url}/catalog.json")
    ((path, sent),) = api.asked
    assert path == "/v1/catalog.json"
    assert "authorization" not in sent


# --- statuses ---


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, PullError, "answered 400"),
        (401, RefusedError, "COFFRIFY_API_KEY"),
        (403, RefusedError, "may not do that"),
        (404, PullError, "COFFRIFY_API_URL"),
        (418, PullError, "answered 418"),
        (204, PullError, "answered 204"),
        (304, PullError, "answered 304 to a first request"),
    ],
)
def test_each_refusal_is_one_clear_error_at_once(api, status, kind, said):
    """Each is one clear error at once, with the API's own words and the request's id."""
    error = {"error": {"code": "some_code", "message": f"no\n {KEY}", "param": "p"}}
    api.say(status, None if status in (204, 304) else error, X_Request_Id="req_7")
    text = refused(api, kind)
    assert said in text
    assert len(api.asked) == 1
    if status not in (204, 304):
        assert "some_code: no (the API key) (parameter p)" in text
        assert "(request req_7)" in text


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error": 1}', b'{"error": "odd"}', b"[]"])
def test_an_error_of_another_shape_is_an_error(api, body):
    """An error of another shape is an error all the same."""
    assert "answered 400" in refused(api.say(400, raw=body))


def test_a_long_error_is_cut_after_the_key_was_taken_out(api):
    """A message of any length is cut, after the key was taken out of it."""
    said = f"{'x' * 195}{KEY}" + "y" * 100_000
    text = refused(api.say(400, {"error": {"message": said, "code": "\x1b[31m"}}))
    assert len(text) < 1000
    assert KEY[:4] not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "17"}, 17),
        ({"Retry_After": lambda: formatdate(time.time() + 30, usegmt=True)}, 30),
        ({"X_RateLimit_Reset": lambda: int(time.time()) + 60}, 60),
        ({"X_RateLimit_Reset": "45"}, 45),
        ({"Retry_After": "5", "X_RateLimit_Reset": "45"}, 5),
        ({"Retry_After": "soon", "X_RateLimit_Reset": "²"}, None),
        ({}, None),
    ],
)
def test_a_429_names_the_wait_and_is_not_waited_for(api, headers, wait):
    """A 429 names the wait; it is not waited for."""
    api.say(429, **{name: v() if callable(v) else v for name, v in headers.items()})
    with pytest.raises(RateLimitedError) as caught:
        got(api)
    found = caught.value.wait
    assert found is None if wait is None else wait - 2 <= found <= wait
    assert ("try again in" in str(caught.value)) is (wait is not None)
    assert len(api.asked) == 1


def test_after_a_5xx_it_is_tried_again_with_growing_pauses(api):
    """After a 5xx it is tried again, with growing, uneven pauses that are told."""
    pauses: list[float] = []
    told: list[tuple[str, float]] = []
    api.say(500).say(503, {"error": {"code": "busy"}}, Retry_After=9).say(502).say(200, TWO)
    found = got(api, sleep=pauses.append, on_wait=lambda why, wait: told.append((why, wait)))
    assert len(found.events) == 2
    assert 0.5 <= pauses[0] <= 1
    assert pauses[1] == 9
    assert 2 <= pauses[2] <= 4
    assert [wait for _, wait in told] == pauses
    assert "answered 503: busy" in told[1][0]


def test_the_fourth_5xx_is_an_error(api):
    """After the fourth 5xx it is an error."""
    assert "answered 500" in refused(api.say(500), UnavailableError)
    assert len(api.asked) == 4


@pytest.mark.parametrize("wait", ["31", "999999999999"])
def test_a_distant_retry_after_is_an_error_at_once(api, wait):
    """Nobody is made to wait for long: a distant Retry-After is an error at once."""
    refused(api.say(503, Retry_After=wait), UnavailableError)
    assert len(api.asked) == 1


def test_deadline_of_pauses(api):
    """Pauses count against the deadline."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    refused(api.say(500), UnavailableError, deadline=2, sleep=sleep, clock=lambda: now[0])
    assert now[0] < 2
    assert len(api.asked) < 4


# --- the cached copy ---


def test_a_304_gives_the_kept_catalog(api, tmp_path):
    """The ETag and the date are sent back, and a 304 gives the kept catalog."""
    date = formatdate(0, usegmt=True)
    api.say(200, TWO, ETag='W/"1"', Last_Modified=date).say(304)
    first = got(api)
    assert got(api) == first
    assert got(api) == first
    _, second, third = (sent for _, sent in api.asked)
    assert second["if-none-match"] == third["if-none-match"] == 'W/"1"'
    assert second["if-modified-since"] == date
    (kept,) = (tmp_path / "cache" / "coffrify-webhooks").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert KEY not in kept.read_text() + kept.name


def test_a_new_answer_replaces_the_kept_one(api):
    """A new answer replaces the kept one."""
    api.say(200, TWO, ETag='"1"').say(200, document("e.f"), ETag='"2"').say(304)
    assert [types(got(api)) for _ in range(3)] == [["a.b", "c.d"], ["e.f"], ["e.f"]]
    assert [sent.get("if-none-match") for _, sent in api.asked] == [None, '"1"', '"2"']


def test_without_a_cache_nothing_is_kept(api, tmp_path):
    """Without a cache nothing is kept and nothing is asked on conditions."""
    api.say(200, TWO, ETag='"1"')
    got(api, cache=False)
    got(api, cache=False)
    assert not any("if-none-match" in sent for _, sent in api.asked)
    assert list(tmp_path.iterdir()) == []


def test_the_copy_of_one_workspace_is_not_another_s(api, tmp_path):
    """The copy of one workspace is not another's, also in one file."""
    api.say(200, TWO, ETag='"1"')
    path = tmp_path / "kept.json"
    got(api, cache=path)
    pull("cof_live_other", api.url, cache=str(path))
    assert "if-none-match" not in api.asked[1][1]


def test_a_copy_that_cannot_be_moved_leaves_nothing_behind(api, tmp_path, monkeypatch):
    """A copy that cannot be moved into place leaves nothing behind."""

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", replace)
    assert len(got(api.say(200, TWO), cache=tmp_path / "kept.json").events) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: text.replace('"pages"', '"sides"'),
        lambda text: text.replace('"document": {', '"document": [], "x": {'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('\\"1\\"', "1\\r\\nX-Evil: y"),
        lambda text: text.replace('"etag"', '"tag"'),
    ],
    ids=range(9),
)
def test_a_damaged_copy_is_replaced(api, tmp_path, damage):
    """A damaged copy counts as none, and is replaced."""
    path = tmp_path / "kept.json"
    api.say(200, TWO, ETag='"1"')
    got(api, cache=path)
    whole = path.read_text()
    path.write_text(damage(whole))
    assert path.read_text() != whole
    assert len(got(api, cache=path).events) == 2
    assert "if-none-match" not in api.asked[1][1]
    assert path.read_text() == whole


def test_without_room_for_a_copy_there_is_a_catalog(api, tmp_path):
    """Where no copy can be kept, there is a catalog all the same."""
    (tmp_path / "file").touch()
    assert len(got(api.say(200, TWO), cache=tmp_path / "file" / "kept.json").events) == 2


def test_key_in_answer(api, tmp_path):
    """An answer that repeats the key is not kept."""
    got(api.say(200, TWO | {"note": KEY}), cache=tmp_path / "kept.json")
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_in_no_catalog(api):
    """A server that repeats the key does not get it into the files that are made of the catalog."""
    schema = {"type": "object", "properties": {f"x{KEY}": {"description": KEY.upper()}}}
    entry = {"type": f"a.{KEY}", "schema": schema, "example": {"type": KEY, "list": [[KEY], 5]}}
    catalog = got(
        api.say(200, {"data": [entry], "note": KEY, "request": [{"auth": f"Bearer {KEY}"}]})
    )
    assert KEY.lower() not in f"{catalog.document}{catalog}".lower()
    made = package.files(catalog)
    assert KEY.lower() not in "".join([*made, *made.values()]).lower()
    assert catalog.document["request"] == [{"auth": "Bearer (the API key)"}]
    assert catalog.events[0].type == "a.(the API key)"


def test_many_addresses_end_with_the_deadline(monkeypatch):
    """A host with many addresses that lead nowhere costs no more time than there is."""
    asked: list[None] = []
    (address,) = socket.getaddrinfo("127.0.0.1", 9, type=socket.SOCK_STREAM)
    monkeypatch.setattr(transport, "getaddrinfo", lambda *_, **__: [address] * 20)

    def clock():
        asked.append(None)
        return float(len(asked))

    with pytest.raises(UnavailableError, match="it took too long"):
        pull(KEY, "http://localhost:9", cache=False, attempts=1, deadline=10, clock=clock)
    assert len(asked) < 15


def test_malformed_is_not_kept(api, tmp_path):
    """A catalog that cannot be read is not kept."""
    refused(api.say(200, {"data": [{"type": 1}]}), CatalogError, cache=tmp_path / "kept.json")
    assert list(tmp_path.iterdir()) == []


def test_relative_cache_folder(monkeypatch):
    """A relative XDG_CACHE_HOME does not count, as its rule says."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    place = copies.default_place("0" * 64)
    assert place is not None
    assert place.is_absolute()


# --- pages ---


@pytest.mark.parametrize(
    ("more", "headers", "asked"),
    [
        ({"next": "{url}/webhooks/events?page=2"}, {}, "page=2"),
        ({"next": "/v1/webhooks/events?page=2"}, {}, "page=2"),
        ({"next": "?page=2"}, {}, "page=2"),
        ({"next": "abc=&"}, {}, "cursor=abc%3D%26"),
        ({"next_url": "?page=2"}, {}, "page=2"),
        ({"next_page": 2}, {}, "page=2"),
        ({"next_cursor": "c/2"}, {}, "cursor=c%2F2"),
        ({"has_more": True, "next_cursor": "c2"}, {}, "cursor=c2"),
        ({"has_more": True}, {}, "starting_after=a.b"),
        ({"pagination": {"next_cursor": "c2"}}, {}, "cursor=c2"),
        ({"links": {"next": "?page=2"}}, {}, "page=2"),
        ({}, {"Link": '<?page=1>; rel="prev", <?page=2>; rel="next"'}, "page=2"),
        ({}, {"Link": "<?page=2>; x=y; rel=next"}, "page=2"),
    ],
)
def test_each_usual_way_to_the_next_page_is_understood(api, more, headers, asked):
    """Each usual way to name the next page is understood."""
    text = json.dumps(document("a.b", **more)).replace("{url}", api.url)
    api.say(200, raw=text.encode(), **headers).say(200, document("c.d", has_more=False))
    found = got(api)
    assert types(found) == ["a.b", "c.d"]
    assert set(found.document) == {"data"}
    assert api.asked[1][0] == f"/v1/webhooks/events?{asked}"


@pytest.mark.parametrize(
    ("more", "headers"),
    [
        ({"next": None}, {}),
        ({"next": ""}, {}),
        ({"has_more": False, "next": "?page=2"}, {}),
        ({"next_cursor": None, "has_more": False}, {}),
        ({"links": []}, {}),
        ({}, {"Link": '<?page=1>; rel="prev"'}),
        ({}, {"Link": "nonsense"}),
    ],
)
def test_nothing_is_asked_for_after_the_last_page(api, more, headers):
    """Nothing more is asked for after the last page."""
    got(api.say(200, document("a.b", **more), **headers))
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (document("a.b", next="/v1/webhooks/events"), "form a loop"),
        (document("a.b", next_cursor="x"), "same page again"),
        (document("a.b", next_cursor="x" * 10**5), "the next page should be like"),
        (document("a.b", next=7), "in an unsupported form"),
        (document("a.b", next={"a": 1}), "in an unsupported form"),
        (document(has_more=True), "nothing says where"),
        (document("a.b", next="https://evil.example/v1"), "another place, https://evil.example"),
        (document("a.b", next="http://evil.example/v1"), "begin with https"),
        (document("a.b", next="//evil.example/v1"), "begin with https"),
        (document("a.b", next="https://[::1"), "the next page should be like"),
    ],
)
def test_circles_and_other_hosts_of_pages_are_errors(api, answer, said):
    """Circles, other hosts and unknown ways are errors; no event goes missing unnoticed."""
    assert said in refused(api.say(200, answer))
    assert len(api.asked) <= 2


def test_pages_without_end_are_stopped(api):
    """Pages without end are stopped."""

    def page(handler):
        number = len(api.asked)
        body = json.dumps(document(f"t.{number}", next_cursor=f"{number}")).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    assert "more than 5 pages" in refused(api.do(page), max_pages=5)
    assert len(api.asked) == 5


def test_only_the_page_that_changed_is_fetched(api):
    """Each page has its own ETag; one that changed is fetched, the others are not."""
    api.say(200, document("a.b", next="?page=2"), ETag='"1"')
    api.say(200, document("c.d"), ETag='"2"')
    api.say(304).say(200, document("e.f"), ETag='"3"').say(304).say(304)
    assert [types(got(api)) for _ in range(3)] == [["a.b", "c.d"], ["a.b", "e.f"], ["a.b", "e.f"]]
    conditions = [sent.get("if-none-match") for _, sent in api.asked]
    assert conditions == [None, None, '"1"', '"2"', '"1"', '"3"']


def test_twice_over_pages(api):
    """A type on two pages is listed twice."""
    api.say(200, document("a.b", next="?page=2")).say(200, document("c.d", "a.b"))
    assert "a.b: listed twice, at /data/0 and /data/2" in refused(api, CatalogError)


# --- redirects ---


def test_three_redirects_on_one_host_are_followed(api):
    """On the same host redirects are followed, three of them."""
    api.say(301, Location="/v2/a").say(302, Location="b").say(308, Location="/c").say(200, TWO)
    assert len(got(api).events) == 2
    assert [path for path, _ in api.asked] == ["/v1/webhooks/events", "/v2/a", "/v2/b", "/c"]
    assert all(sent["authorization"] == f"Bearer {KEY}" for _, sent in api.asked)


def test_a_fourth_redirect_is_an_error(api):
    """A fourth redirect is an error."""
    assert "more than 3 redirects" in refused(api.say(307, Location="/again"))
    assert len(api.asked) == 4


def test_another_host_is_never_asked(api):
    """Another host is never asked, so it never sees the key."""
    with serving() as other:
        other.say(200, TWO)
        for target in (other.url, other.url.replace("127.0.0.1", "localhost")):
            text = refused(api.say(302, Location=target))
            assert "leads to another place" in text
            api.asked.clear()
        assert other.asked == []


@pytest.mark.parametrize(
    "target", ["http://evil.example/", "//evil.example", "file:///x", "https:"]
)
def test_no_redirect_to_another_protocol_is_followed(api, target):
    """Neither plain http elsewhere nor another protocol is followed."""
    assert "redirect" in refused(api.say(302, Location=target))


def test_redirect_without_target(api):
    """A redirect that leads nowhere is an error."""
    assert "answered 302" in refused(api.say(302))


def test_proxy_is_not_for_loopback(api, monkeypatch):
    """What stays on this machine does not pass through a proxy, and nor does the key."""
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert len(got(api.say(200, TWO)).events) == 2
        assert proxy.asked == []


# --- bodies ---


def test_the_cap_holds_over_all_pages_together(api):
    """The cap holds whether or not the length is announced, and over all pages together."""
    assert "too large" in refused(api.say(200, TWO), max_bytes=50)

    def unannounced(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" " * 100_000)

    api.answers = [unannounced]
    assert "too large" in refused(api, max_bytes=300_000)
    api.answers, size = [], len(json.dumps(TWO))
    api.asked.clear()
    api.say(200, TWO | {"next": "?page=2"}).say(200, document("e.f"))
    assert "too large" in refused(api, max_bytes=size + 50)
    assert len(api.asked) == 2


@pytest.mark.parametrize("slow", [drip, drip_headers])
def test_a_drip_ends_with_the_deadline(api, slow):
    """A drip that never pauses for long ends with the deadline, in body and headers."""
    with in_time(1.5):
        assert "took too long" in refused(api.do(slow), UnavailableError, deadline=0.3)


def test_a_silence_ends_with_the_timeout(api):
    """A silence ends with the timeout."""
    done = threading.Event()
    try:
        api.do(lambda handler: done.wait(10))
        assert "took too long" in refused(api, UnavailableError, timeout=0.1, attempts=1)
    finally:
        done.set()


@pytest.mark.parametrize("chunked", [False, True])
def test_half_an_answer_is_tried_again_then_an_error(api, chunked):
    """Half an answer is no answer: it is tried again, then an error."""

    def cut(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        name, value = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "99")
        handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b'40\r\n{"data": ' if chunked else b'{"data": []}')
        handler.close_connection = True

    api.do(cut).do(cut).say(200, TWO)
    assert len(got(api).events) == 2
    api.answers = [cut]
    assert "cut off" in refused(api, UnavailableError)


@pytest.mark.parametrize("raw", [b"", b"\0garbage\r\n\r\n", b"HTTP/1.0 abc\r\n\r\n"])
def test_what_is_not_http_is_an_error_of_ours(api, raw):
    """What is not HTTP is an error, in words of ours."""
    text = refused(api.do(lambda handler: handler.wfile.write(raw)), UnavailableError)
    assert "garbage" not in text


def test_an_absent_server_is_tried_again_then_an_error():
    """Nobody there: tried again, then an error."""
    pauses: list[float] = []
    with pytest.raises(UnavailableError, match="efused"):
        pull(KEY, "http://127.0.0.1:9", sleep=pauses.append, cache=False)
    assert len(pauses) == 3


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not valid JSON"),
        (b"<!doctype html>", "not valid JSON (its type is text/html)"),
        (b"\xff\xfe\xff", "not valid JSON"),
        (b"[" * 200_000, "not valid JSON"),
        (b"[]", "should be an object, found list"),
        (b'{"events": []}', "the catalog: /data should be a list of events"),
    ],
)
def test_not_a_catalog(api, raw, said):
    """What is not a catalog is one clear error that begins with the address."""
    text = refused(api.say(200, raw=raw, Content_Type="text/html"), CatalogError)
    assert said in text
    assert text.startswith(f"{api.url}/webhooks/events: ")


def test_a_server_without_tls_gets_no_request(api):
    """A server that does not speak TLS gets no request."""
    url = api.url.replace("http://", "https://")
    with pytest.raises(UnavailableError, match="SSL"):
        pull(KEY, url, cache=False, attempts=1)
    assert api.asked == []


def test_an_encoding_not_asked_for_is_an_error(api):
    """An encoding that was not asked for is an error, not an attempt to decode."""
    text = refused(api.say(200, raw=b"\x1f\x8b", Content_Encoding="gzip"))
    assert "encoded as gzip" in text


def test_key_is_never_told(api, caplog):
    """Neither a log line nor what a pause tells holds the key, though the API repeats it."""
    caplog.set_level(logging.DEBUG)
    told = []
    api.say(500, {"error": {"code": KEY, "message": KEY.upper()}}, X_Request_Id=KEY)
    text = refused(api, UnavailableError, on_wait=lambda why, _: told.append(why))
    assert len(told) == 3
    assert KEY.lower() not in "".join([text, *told, caplog.text]).lower()
    refused(api.say(200, document("a.b", next=f"?api_key={KEY}")), PullError)
