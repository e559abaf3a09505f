"""The dashboard over HTTP: every page, every button, and what it makes of hostile input."""

import html
import http.client
import json
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.budgets import budget
from tests.in_time import in_time
from tests.sandbox.hook import Hook
from tests.sandbox.visitor import HOSTILE, Answer, Client, Fields, Receiver

from coffrify_webhooks.web.wording import json_text, length, pretty, visible
from coffrify_webhooks_sandbox import Endpoint, Sandbox
from coffrify_webhooks_sandbox.clock import END, Clock
from coffrify_webhooks_sandbox.courier import new_delivery
from coffrify_webhooks_sandbox.dashboard import time_form
from coffrify_webhooks_sandbox.dashboard.chart import chart
from coffrify_webhooks_sandbox.dashboard.clock_shown import ClockShown
from coffrify_webhooks_sandbox.dashboard.payload_form import PayloadForm, flatten
from coffrify_webhooks_sandbox.errors import SandboxError
from coffrify_webhooks_sandbox.event_types import EventTypes
from coffrify_webhooks_sandbox.records import Attempt, Delivery, Event
from coffrify_webhooks_sandbox.schedule import WINDOW

# --- pages --------------------------------------------------------------------------------------


def test_every_page_is_whole_and_under_the_policy(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """Every page is there, under the policy, in a whole document with one heading."""
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    for path in (
        "/",
        "/?live=off",
        "/events",
        f"/events/{delivery.event_id}",
        "/deliveries",
        "/deliveries?status=success",
        "/deliveries?live=off",
        f"/deliveries?endpoint={endpoint.id}",
        f"/deliveries?event={delivery.event_id}",
        f"/deliveries/{delivery.id}",
        "/endpoints",
        f"/endpoints/{endpoint.id}",
        "/endpoints/new",
        "/dead-letters",
        "/catalog",
        "/trigger",
        "/trigger/transfer.created",
        f"/trigger/transfer.created?event={delivery.event_id}",
        "/doctor",
    ):
        answer = client.get(path)
        assert answer.status == 200, path
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert answer.text.count("<h1>") == 1, path
        assert not re.search(r"<[a-z]+(?: [^<>]*)? disabled[ >]", answer.text), path
        assert '<a class="skip" href="#main">' in answer.text
        assert not re.search(
            r"<script(?! src=)|<style|<[^<>]* (style|on[a-z]+)=|javascript:", answer.text
        )
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text), path


def test_order_of_scripts(client: Client) -> None:
    """Neither htmx nor its extension is deferred: else htmx may begin without it, and not live."""
    scripts = re.findall(r"<script [^>]*>", client.get("/").text)
    assert scripts[:2] == [f'<script src="/static/{name}.min.js">' for name in ("htmx", "hx-sse")]


def test_an_empty_sandbox_says_what_to_do(client: Client) -> None:
    """Where nothing has happened yet, the first page says what to do, and where the API is."""
    text = client.get("/").text
    here = f"http://127.0.0.1:{client.port}"
    assert f"coffrify-webhooks trigger transfer.created --sandbox {here}<" in text
    assert f"{here}/v1" in text
    assert "stopped" in text


def test_command_of_an_open_sandbox() -> None:
    """Where others can reach the sandbox, the command on the first page has the key's option."""
    with Sandbox(host="0.0.0.0") as sandbox:
        address = sandbox.url.replace("0.0.0.0", "127.0.0.1")
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as response:
            text = response.read().decode()
    assert f"transfer.created --sandbox {address} --api-key KEY<" in text


@pytest.mark.parametrize("name", [event.type for event in EventTypes().catalog.events])
def test_every_event_type_has_a_form(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint, name: str
) -> None:
    """The form of each type, sent as it comes, triggers an event with just the data it showed."""
    pairs = Fields(client.get(f"/trigger/{name}").text).pairs
    answer = client.post(f"/trigger/{name}", *pairs, ("do", "trigger"))
    assert (answer.status, answer.location) == (303, "/?done=triggered&count=1")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    assert delivery.status == "success"
    shown = PayloadForm(coffrify_sandbox._service.event_types.get(name).schema).field(dict(pairs))
    event = coffrify_sandbox._service.database.event(delivery.event_id)
    assert event is not None
    assert event.data == shown.value()


@pytest.mark.parametrize(
    "path",
    [
        "/deliveries/nothing",
        "/deliveries/%00",
        "/deliveries?before=nothing",
        "/deliveries?status=nothing",
        "/deliveries?endpoint=nothing",
        "/events/nothing",
        "/events?before=nothing",
        "/trigger/ping?event=nothing",
        "/endpoints/nothing",
        "/trigger/transfer.creatd",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(client: Client, path: str) -> None:
    """What is not there is a page that says so."""
    answer = client.get(path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "there is no" in html.unescape(answer.text)


def test_a_stranger_s_text_is_never_markup(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Names, addresses, bodies, headers and answers are shown, and are never markup."""
    receiver.status, receiver.body = "500 Oops", f"{HOSTILE}\0\ud800".encode("utf-8", "replace")
    name = HOSTILE[:-1]
    settings = [("name", name), ("url", f"{endpoint.url}?x=<script>"), ("description", name)]
    client.post(f"/endpoints/{endpoint.id}", *settings, ("which", "all"), ("do", "save"))
    coffrify_sandbox.trigger("transfer.created", fields={"notes": HOSTILE + "\ud800\0"})
    coffrify_sandbox.run_out()
    [delivery] = coffrify_sandbox.deliveries()
    paths = ["/", f"/deliveries/{delivery.id}", f"/endpoints/{endpoint.id}", "/dead-letters"]
    for path in paths:
        text = client.get(path).text
        assert "<script>" not in text
        assert "<img" not in text
        assert "\u202e" not in text
        assert "&lt;script&gt;" in text
    text = client.get(paths[1]).text
    assert r"\u202e" in text
    assert r"\ud800" in text


def test_of_a_large_body_the_beginning_is_shown(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Of a large body the beginning is shown."""
    receiver.body = b"x" * 10_000_000
    coffrify_sandbox.trigger("transfer.created", fields={"notes": "y" * 900_000})
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    assert len(client.get(f"/deliveries/{delivery.id}").text) < 300_000


def test_answers_that_grow(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """An answer that would be huge indented is shown as it came; of old ones the beginning."""
    body = "[" * 900 + "1," * 30_000 + "1" + "]" * 900
    receiver.status, receiver.body = "500 Oops", body.encode()
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.run_out()
    [delivery] = coffrify_sandbox.deliveries()
    path = f"/deliveries/{delivery.id}"
    with in_time(2):
        text = client.get(path).text
    assert len(text) < 250_000
    assert body in text
    links = re.findall(rf'href="({path}/answers/\w+)">The whole response', text)
    assert len(links) == 11
    whole = client.get(links[0])
    assert (whole.headers["Content-Type"], whole.text) == ("text/plain; charset=utf-8", body)
    assert client.get(f"{path}/answers/nothing", Accept="text/html").status == 404
    assert client.get("/deliveries/nothing/answers/1").status == 404


def test_secrets_are_not_about(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """No page shows a secret unasked, nor one that is older."""
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    new = coffrify_sandbox.rotate_secret(endpoint)
    for path in ("/", f"/endpoints/{endpoint.id}", f"/deliveries/{delivery.id}"):
        text = client.get(path).text
        assert endpoint.secret not in text
        assert new.secret not in text


def test_a_list_leads_page_by_page_to_the_oldest(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """A page has 50 deliveries, and leads to the older ones, until there are no more."""
    events = coffrify_sandbox.trigger("ping", count=120)
    coffrify_sandbox.settle()
    seen: list[str] = []
    path = "/deliveries?status=success"
    while path:
        text = client.get(path).text
        found = re.findall(r'href="/deliveries/(dlv_\w+)"', text)
        assert len(found) <= 50
        seen += found
        older = re.search(r'href="(/deliveries\?[^"]+)">Older', text)
        path = html.unescape(older[1]) if older else ""
    assert seen == [each.id for each in coffrify_sandbox.deliveries()]
    assert len(set(seen)) == len(events)


def test_quick_with_many(coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint) -> None:
    """Of thousands of deliveries a page shows some, and stays small."""
    service = coffrify_sandbox._service
    event = Event("evt_many", "ping", b'{"type":"ping"}', 0.0)
    many = [new_delivery(event.id, endpoint.id, 0.0) for _ in range(budget(2000, 10_000))]
    dead = [replace(each, status="dead_letter", next_at=None) for each in many]
    coffrify_sandbox._call(lambda: service.database.add(event, *dead))
    for path in ("/", "/deliveries", f"/endpoints/{endpoint.id}", "/dead-letters"):
        answer = client.get(path)
        assert answer.status == 200
        assert 1 <= len(set(re.findall(r"/deliveries/(dlv_\w+)", answer.text))) <= 60


# --- buttons ------------------------------------------------------------------------------------


def test_the_form_creates_an_endpoint_and_shows_its_secret_once(
    coffrify_sandbox: Sandbox, client: Client
) -> None:
    """An endpoint is created by the form; its secret is shown on the next page, once."""
    answer = client.post(
        "/endpoints/new",
        ("name", "Shop"),
        ("url", "http://127.0.0.1:9/hooks"),
        ("description", "mine"),
        ("which", "some"),
        ("events", "transfer.created"),
        ("events", "ping"),
    )
    assert answer.status == 303
    [made] = coffrify_sandbox._service.database.endpoints()
    assert (made.name, made.url, made.description) == ("Shop", "http://127.0.0.1:9/hooks", "mine")
    assert made.events == ("transfer.created", "ping")
    assert client.get(answer.location).text.count(made.secret) == 2
    assert made.secret not in client.get(answer.location).text


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("url", "ftp://x"), ("which", "all")], "give the address as"),
        ([("url", "http://example.com/"), ("which", "all")], "--allow-host example.com"),
        ([("url", "http://127.0.0.1:9/"), ("which", "some")], "at least one event type"),
        ([("url", "http://127.0.0.1:9/"), ("events", "transfer.creatd")], "transfer.created"),
        ([("url", "http://127.0.0.1:9/"), ("which", "all"), ("name", "x" * 201)], "200"),
        ([("name", '"><script>')], "give the address as"),
        ([], "give the address as"),
    ],
)
def test_a_wrong_endpoint_keeps_what_was_typed(
    client: Client, pairs: list[tuple[str, str]], message: str
) -> None:
    """What is wrong is said on the form, which keeps what was typed."""
    answer = client.post("/endpoints/new", *pairs)
    assert answer.status == 400
    assert message in html.unescape(answer.text)
    assert "<script>" not in answer.text
    for name, value in pairs:
        if name in ("url", "name"):
            assert f'value="{html.escape(value)}"' in answer.text.replace("&#34;", "&quot;")


def test_settings_are_saved_whole_or_not_at_all(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """Settings are saved; what is wrong is said, and nothing of it is saved."""
    path = f"/endpoints/{endpoint.id}"
    settings = [("name", "New"), ("url", endpoint.url), ("description", ""), ("which", "some")]
    saved = client.post(path, *settings, ("events", "ping"), ("do", "save"))
    assert saved.location == f"{path}?done=saved"
    assert "The changes were saved." in client.get(saved.location).text
    wrong = client.post(path, *settings, ("events", "pong"), ("do", "save"))
    assert wrong.status == 400
    found = coffrify_sandbox.endpoint(endpoint)
    assert (found.name, found.events) == ("New", ("ping",))
    assert client.post(path, ("do", "explode")).status == 400
    assert client.post("/endpoints/nothing", ("do", "test")).status == 404


def test_enable_and_disable(coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint) -> None:
    """An endpoint that is disabled is sent nothing; enabled again, it is."""
    path = f"/endpoints/{endpoint.id}"
    assert client.post(path, ("do", "disable")).status == 303
    assert not coffrify_sandbox.endpoint(endpoint).is_active
    assert "disabled" in client.get("/").text
    with pytest.raises(SandboxError, match="disabled"):
        coffrify_sandbox.trigger("ping", endpoint=endpoint)
    assert client.post(path, ("do", "enable")).status == 303
    coffrify_sandbox.trigger("ping", endpoint=endpoint)
    coffrify_sandbox.settle()
    assert [each.status for each in coffrify_sandbox.deliveries()] == ["success"]


def test_rotate_and_show(coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint) -> None:
    """A rotated secret is shown once; "Show secret" shows it once more; both may sign."""
    path = f"/endpoints/{endpoint.id}"
    assert client.post(path, ("do", "rotate"), ("grace_hours", "many")).status == 400
    assert client.post(path, ("do", "rotate"), ("grace_hours", "169")).status == 400
    assert coffrify_sandbox.endpoint(endpoint).secret == endpoint.secret
    answer = client.post(path, ("do", "rotate"), ("grace_hours", "2"))
    fresh = coffrify_sandbox.endpoint(endpoint)
    assert fresh.old_secret == endpoint.secret
    assert client.head(path).status == 200  # which shows nothing, and uses nothing up
    assert fresh.secret in client.get(answer.location).text
    assert fresh.secret not in client.get(path).text
    assert fresh.secret in client.get(client.post(path, ("do", "show")).location).text
    assert fresh.secret not in client.get(path).text


def test_send_a_test(coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint) -> None:
    """The button sends a ping that is marked as a test."""
    assert client.post(f"/endpoints/{endpoint.id}", ("do", "test")).status == 303
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    [attempt] = coffrify_sandbox.attempts(delivery)
    assert ("X-Coffrify-Test-Delivery", "true") in attempt.headers
    assert ">test</span>" in client.get("/").text


def test_deliveries_of_a_deleted_endpoint_stay(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """A deleted endpoint is gone; its deliveries stay, and cannot be sent again."""
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    assert client.post(f"/endpoints/{endpoint.id}", ("do", "delete")).location == "/?done=deleted"
    assert client.get(f"/endpoints/{endpoint.id}").status == 404
    assert "The endpoint was deleted" in client.get(f"/deliveries/{delivery.id}").text
    refused = client.post(f"/deliveries/{delivery.id}", ("do", "replay"))
    assert refused.status == 409
    assert "cannot be replayed" in refused.text


def test_replay_and_retry(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """A delivery is retried, and replayed as a new one of the same event."""
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    path = f"/deliveries/{delivery.id}"
    receiver.status = "200 OK"
    assert client.post(path, ("do", "retry")).location == f"{path}?done=retried"
    coffrify_sandbox.settle()
    assert client.post(path, ("do", "retry")).status == 409
    answer = client.post(path, ("do", "replay"))
    coffrify_sandbox.settle()
    new, old = coffrify_sandbox.deliveries()
    assert answer.location == f"/deliveries/{new.id}?done=replayed"
    assert (new.event_id, new.replay_of, old.status) == (old.event_id, old.id, "success")
    assert f'href="/deliveries/{new.id}"' in client.get(path).text
    assert client.post("/deliveries/nothing", ("do", "replay")).status == 404
    assert client.post(path, ("do", "explode")).status == 400


def test_dead_letters_are_replayed_one_or_all(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Dead letters are listed with their reason, and replayed, one or all."""
    receiver.status = "503 Closed"
    coffrify_sandbox.trigger("transfer.created", count=3)
    coffrify_sandbox.run_out()
    dead = coffrify_sandbox.deliveries(status="dead_letter")
    assert len(dead) == 3
    text = client.get("/dead-letters").text
    assert text.count(dead[0].reason.capitalize()) == 3
    receiver.status = "200 OK"
    one = client.post("/dead-letters", ("do", "replay"), ("delivery", dead[0].id))
    assert one.location == "/dead-letters?done=replayed_all&count=1"
    coffrify_sandbox.settle()
    rest = client.post("/dead-letters", ("do", "replay_all"))
    assert rest.location == "/dead-letters?done=replayed_all&count=2"
    coffrify_sandbox.settle()
    assert "Replayed dead letters: 2." in client.get(rest.location).text
    assert len(coffrify_sandbox.deliveries(status="success")) == 3
    assert client.post("/dead-letters", ("do", "replay"), ("delivery", "x")).status == 404
    assert client.post("/dead-letters").status == 400


def test_the_time_form_leads_back_and_to_no_other_site(
    coffrify_sandbox: Sandbox, client: Client
) -> None:
    """Time passes, and the form leads back to the page that it was on, and to no other site."""
    before = coffrify_sandbox._service.clock.now()
    answer = client.post("/time", ("hours", "24"), ("back", "/trigger/transfer.created"))
    assert answer.location == "/trigger/transfer.created?done=skipped"
    assert coffrify_sandbox._service.clock.now() == pytest.approx(before + 86_400)
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "/%5c", ""):
        answer = client.post("/time", ("hours", "1"), ("back", back))
        assert answer.location == "/?done=skipped"
    for hours in ("0", "-1", "1e9", "999999", "", "¹"):
        assert client.post("/time", ("hours", hours)).status == 400
    assert client.get("/time").location == "/"


@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("/deliveries?status=success", "/deliveries?status=success&done=skipped"),
        ("/trigger/ping?endpoint=a%26b&done=skipped&count=2", "/trigger/ping?endpoint=a%26b"),
        ("/?done=skipped", "/?done=skipped"),
        ("/deliveries?event=\r\nX: y", "/deliveries?event=%0D%0AX%3A+y"),
        ("//evil.example?status=success", "/?done=skipped"),
        ("/\\evil.example?", "/?done=skipped"),
        ("?status=success", "/?done=skipped"),
    ],
)
def test_skip_time_on_a_list(client: Client, back: str, location: str) -> None:
    """The form leads back to the same list: the query is kept, but for what was told already."""
    told = location if "done=" in location else f"{location}&done=skipped"
    assert client.post("/time", ("hours", "1"), ("back", back)).location == told


def test_where_a_page_s_form_leads(client: Client, endpoint: Endpoint) -> None:
    """The form of a page names that page, with its query."""
    assert (
        'name="back" value="/deliveries?status=success"'
        in client.get("/deliveries?status=success").text
    )
    assert 'name="back" value="/catalog"' in client.get("/catalog").text


def test_skip_time_on_a_page_that_stays(
    coffrify_sandbox: Sandbox,
    client: Client,
    receiver: Receiver,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page with JavaScript is sent the clock, the count and the notice, and stays as it is."""
    monkeypatch.setattr(time_form, "_PATIENCE", 60.0)  # a loaded machine takes its time
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping")
    answer = client.post("/time", ("hours", "100"), ("back", "/"), HX_Request="true")
    assert answer.status == 200
    assert re.findall(r'<hx-partial hx-target="#([\w-]+)"', answer.text) == [
        "clock",
        "dead-count",
        "message",
    ]
    assert "Time was advanced." in answer.text
    assert ">1</span>" in answer.text
    assert "<form" not in answer.text
    wrong = client.post("/time", ("hours", "0"), HX_Request="true")
    assert (wrong.status, "<form" in wrong.text) == (400, False)
    assert "hours: give 1 to" in wrong.text


def test_time_that_cannot_pass(coffrify_sandbox: Sandbox, client: Client) -> None:
    """What cannot be skipped, as the end of the calendar, is told, not "Time was advanced"."""
    clock = coffrify_sandbox._service.clock
    while clock.now() < END - 86_400:
        clock.skip(min(10 * 365 * 86_400, END - 3600 - clock.now()))
    answer = client.post("/time", ("hours", "24"))
    assert answer.status == 400
    assert "9986" in answer.text


def test_time_that_is_still_passing(coffrify_sandbox: Sandbox, client: Client, hook: Hook) -> None:
    """While a receiver hangs, the page does not say that time has passed, but what it waits for."""
    coffrify_sandbox.create_endpoint(hook.url)
    hook.free.clear()
    coffrify_sandbox.trigger("ping")
    before = coffrify_sandbox._service.clock.now()
    answer = client.post("/time", ("hours", "24"))
    assert answer.location == "/?done=passing"
    assert coffrify_sandbox._service.clock.now() == before
    text = client.get(answer.location).text
    assert "Time is still advancing" in text
    assert "Time was advanced" not in text
    hook.free.set()
    coffrify_sandbox.skip(0)
    assert coffrify_sandbox._service.clock.now() == pytest.approx(before + 86_400)


def test_notices_are_ours(client: Client) -> None:
    """An address cannot make a page say what its author likes."""
    text = client.get("/?done=triggered&count=<b>").text + client.get("/?done=<b>").text
    assert 'class="notice"' not in text


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}],
)
@pytest.mark.parametrize(
    "path",
    ["/endpoints/new", "/endpoints/x", "/deliveries/x", "/dead-letters", "/trigger/ping", "/time"],
)
def test_a_page_of_another_site_can_press_no_button(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    """A page of another site can press none of the buttons."""
    assert client.post(path, ("hours", "1"), ("do", "trigger"), **headers).status == 403


def test_a_form_that_is_too_large_is_refused(client: Client) -> None:
    """A form that is too large, or of too many fields, is refused."""
    assert client.post("/endpoints/new", ("name", "x" * 1_100_000)).status == 413
    assert client.post("/endpoints/new", *[("events", "x")] * 10_001).status == 400
    assert client.post("/trigger/ping", ("count", "x" * 1_100_000)).status == 413


# --- the trigger form ---------------------------------------------------------------------------


def test_the_trigger_form_sends_as_its_options_say(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Several events, to one endpoint, by a misbehaving sender, each with data of its own."""
    other = coffrify_sandbox.serve(Receiver())
    fields = Fields(client.get(f"/trigger/transfer.created?endpoint={endpoint.id}").text)
    assert ("endpoint", endpoint.id) in fields.pairs
    texts = {"count": "3", "manner": "duplicate", "random": "1"}
    answer = client.post("/trigger/transfer.created", *fields.changed(**texts))
    assert answer.location == "/?done=triggered&count=3"
    coffrify_sandbox.settle()
    assert {each.endpoint_id for each in coffrify_sandbox.deliveries()} == {endpoint.id}
    assert len(receiver.got) == 6
    assert len({json.loads(body)["data"]["id"] for body in receiver.got}) == 3
    assert other.is_active


def test_triggering_what_nobody_hears_is_told(client: Client) -> None:
    """Whoever triggers what nobody subscribes to is told so."""
    pairs = Fields(client.get("/trigger/ping").text).pairs
    answer = client.post("/trigger/ping", *pairs)
    assert answer.location == "/?done=unheard&count=1"
    assert "No active endpoint subscribes" in client.get(answer.location).text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("data/total_downloads", "many", "This is not a number"),
        ("data/total_downloads", "1.5", "This is not an integer"),
        ("data/is_password_protected", "perhaps", "Choose a value from the list"),
        ("data/files/0/size", "1_000", "This is not a number"),
        ("state:data/id", "absent", "is a required property"),
        ("count", "0", "give a number from 1"),
        ("count", "", "give a whole number"),
        ("endpoint", "nobody", "there is no endpoint"),
        ("manner", "badly", "there is no misbehavior"),
    ],
)
def test_a_mistake_is_told_beside_its_field(
    coffrify_sandbox: Sandbox, client: Client, name: str, text: str, message: str
) -> None:
    """What is wrong is said beside its field, and everything else stays as it was typed."""
    fields = Fields(client.get("/trigger/transfer.created").text)
    texts = {
        "data/transfer_title": "kept as typed",
        "state:data/transfer_title": "value",
        name: text,
    }
    answer = client.post("/trigger/transfer.created", *fields.changed(**texts))
    assert answer.status in (400, 404)
    shown = html.unescape(answer.text)
    assert message in shown
    assert 'value="kept as typed"' in answer.text
    assert 'class="error"' in answer.text
    if not name.startswith("state:"):
        assert re.search(rf'name="{re.escape(name)}"[^>]* aria-invalid="true"', shown)
    assert coffrify_sandbox.deliveries() == []


def test_items_are_added_and_removed_without_javascript(client: Client) -> None:
    """Items are added and removed, and places are filled in or left out, without JavaScript."""
    path = "/trigger/transfer.created"
    fields = Fields(client.get(path).text)
    count = int(dict(fields.pairs)["count:data/files"])
    added = client.post(path, *fields.pairs, ("do", "add:data/files"))
    assert added.status == 200
    fields = Fields(added.text)
    assert dict(fields.pairs)["count:data/files"] == str(count + 1)
    assert dict(fields.pairs)[f"data/files/{count}/id"]
    marked = fields.changed(**{f"data/files/{count}/id": "the last"})
    dropped = dict(Fields(client.post(path, *marked, ("do", "drop:data/files/0")).text).pairs)
    assert dropped["count:data/files"] == str(count)
    assert dropped[f"data/files/{count - 1}/id"] == "the last"
    assert f"data/files/{count}/id" not in dropped
    without = Fields(client.post(path, *marked, ("do", "drop:data/files")).text)
    assert dict(without.pairs)["state:data/files"] == "absent"
    again = Fields(client.post(path, *without.pairs, ("do", "add:data/files")).text)
    assert dict(again.pairs)["count:data/files"] == "1"
    assert client.post(path, *marked, ("do", "drop:data/nowhere")).status == 200


def test_data_can_be_edited_as_json_and_back(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """The same data can be edited as JSON, and as a form again; errors name the place."""
    path = "/trigger/transfer.created"
    fields = Fields(client.get(path).text)
    raw = Fields(client.post(path, *fields.pairs, ("do", "as_json")).text)
    text = dict(raw.pairs)["raw"]
    data = json.loads(text)
    back = Fields(client.post(path, *raw.pairs, ("do", "as_form")).text)
    assert dict(back.pairs)["data/id"] == data["id"]
    client.post(path, *raw.changed(raw=json.dumps({**data, "notes": "by hand"})))
    coffrify_sandbox.settle()
    assert json.loads(receiver.got[0])["data"]["notes"] == "by hand"
    for wrong, message in (
        ("{", "not valid JSON"),
        ("NaN", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not of type 'object'"),
        (json.dumps({**data, "total_downloads": "x"}), "data.total_downloads"),
    ):
        answer = client.post(path, *raw.changed(raw=wrong))
        assert answer.status == 400
        assert message in html.unescape(answer.text)
    assert len(receiver.got) == 1


TEXTS = [
    "10\xa0000 €",
    "a\xadb",
    "a\x7fb",
    "a\x85b",
    "a\u202eb\u3000c",
    "👩\u200d💻",
    "a\U000e0001b",
    "first\nsecond",
    "\n\nfirst\n",
    "a\rb",
    "a\r\nb",
    "a\0b",
    "a\ud800b",
    "\t \\xa0 \\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_any_characters(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint, text: str
) -> None:
    """Whatever a text consists of is the same after JSON, form, JSON and form, and when sent."""
    path = "/trigger/transfer.created"
    fields = Fields(client.post(path, *Fields(client.get(path).text).pairs, ("do", "as_json")).text)
    data = {**json.loads(dict(fields.pairs)["raw"]), "transfer_title": text, f"~u{text}/": 1}
    pairs = fields.changed(raw=json.dumps(data))
    for step in ("as_form", "as_json", "as_form", "as_json"):
        answer = client.post(path, *pairs, ("do", step))
        assert answer.status == 200
        pairs = Fields(answer.text).pairs
        if step == "as_json":
            assert json.loads(dict(pairs)["raw"]) == data
        assert client.post(path, *pairs).location == "/?done=triggered&count=1"
    coffrify_sandbox.settle()
    assert len(receiver.got) == 4
    assert [json.loads(body)["data"] for body in receiver.got] == [data] * 4


@pytest.mark.parametrize("text", ["first\nsecond", "a\rb"])
def test_mistakes_keep_lines(client: Client, text: str) -> None:
    """A text's line breaks are still there when the form comes back for another field's mistake."""
    path = "/trigger/transfer.created"
    fields = Fields(client.get(path).text)
    raw = Fields(client.post(path, *fields.pairs, ("do", "as_json")).text)
    data = {**json.loads(dict(raw.pairs)["raw"]), "transfer_title": text}
    pairs = Fields(client.post(path, *raw.changed(raw=json.dumps(data)), ("do", "as_form")).text)
    wrong = client.post(path, *pairs.changed(count="none"))
    assert wrong.status == 400
    again = Fields(wrong.text).changed(count="1")
    shown = Fields(client.post(path, *again, ("do", "as_json")).text)
    assert json.loads(dict(shown.pairs)["raw"]) == data


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        ([("do", "trigger"), ("count:data/files", "9" * 5000)], 400),
        ([("do", "drop:data/files/0"), (f"data/files/{'9' * 5000}/name", "x")], 200),
        ([("do", "as_form"), ("raw", r'{"\ud800": 1}')], 200),
        ([("do", "as_form"), ("raw", '{"a":' * 900 + "1" + "}" * 900)], 400),
        ([("do", "as_form"), ("raw", json.dumps([[[["x" * 1000] * 600]]]))], 400),
        ([("do", "trigger"), ("raw", '{"a":' * 900 + "1" + "}" * 900)], 400),
        ([("do", "as_json"), ("data/extra", "[" * 900 + "]" * 900), ("state:data", "value")], 200),
    ],
)
def test_hostile_forms_are_answered_with_a_page(
    client: Client, endpoint: Endpoint, pairs: list[tuple[str, str]], status: int
) -> None:
    """Numbers of many digits, half a surrogate pair and much depth are answered with a page."""
    path = "/trigger/transfer.created"
    items = [("count:data/files", "1"), ("state:data/files", "value"), ("count", "1")]
    with in_time(3):
        answer = client.post(path, *items, *pairs)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")


def test_the_form_of_a_tree_ends_at_the_depth_of_data() -> None:
    """The form of a tree ends where data may not be deeper, whatever was sent for it."""
    pointers = ["data/tree" + "/next" * depth for depth in range(900)]
    form = PayloadForm(SCHEMA).field({f"state:{pointer}": "value" for pointer in pointers})
    assert max(each.pointer.count("/") for each in form.fields()) == 50
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(SandboxError, match="50 levels deep"):
        flatten(deep)


@pytest.mark.parametrize("name", ["%E4%B8%80", "%00", "%0A", "x%3Fy"])
def test_an_address_of_any_characters_is_a_page(client: Client, name: str) -> None:
    """An address of any characters is answered with a page, and pushed as it was asked for."""
    answer = client.get(f"/endpoints/{name}?done=saved", HX_Boosted="true")
    assert answer.status == 404
    assert answer.headers["HX-Push-Url"] == f"/endpoints/{name}"


SCHEMA = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    "type": "object",
    "required": ["tree", "kind"],
    "additionalProperties": {"type": "integer"},
    "properties": {
        "tree": {"$ref": "#/$defs/node"},
        "kind": {"enum": ["a", 1, None]},
        "one": {"const": "this"},
        "either": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "mixed": {"type": ["string", "integer"]},
        "a/b~c": {"type": "string"},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "free": {"type": "object"},
        "all": {"allOf": [{"type": "object"}, {"properties": {"x": {"type": "boolean"}}}]},
    },
}
DATA = {
    "tree": {"next": {"next": {}}},
    "kind": 1,
    "one": "this",
    "either": None,
    "mixed": 5,
    "a/b~c": "slashes",
    "grid": [[1, 2.5], []],
    "free": {"deep": [{"x": None}]},
    "all": {"x": True},
    "extra": 7,
}


def test_form_of_any_schema() -> None:
    """What a form shows of data is that data: recursion, choices, lists of lists and all."""
    assert PayloadForm(SCHEMA).field(flatten(DATA)).value() == DATA
    for schema in (True, False, {}, {"$ref": "#"}, {"$ref": "#/no/where"}, {"$ref": "http://x/"}):
        assert PayloadForm(schema).field(flatten(DATA)).value() == DATA


def test_edits_of_any_schema() -> None:
    """Each button of such a form makes a form that can be read."""
    sheet, random = PayloadForm(SCHEMA), Random(1)
    texts = flatten({"tree": {}, "kind": "a"})
    texts = sheet.edit(texts, "add:data/grid", 0, random)
    texts = sheet.edit(texts, "add:data/grid", 0, random)
    texts = sheet.edit(texts, "add:data/grid/1", 0, random)
    texts = sheet.edit(texts, "drop:data/grid/0", 0, random)
    texts = sheet.edit(texts, "add:data/tree/next", 0, random)
    texts = sheet.edit(texts, "add:data/tree/next/next", 0, random)
    texts = sheet.edit(texts, "add:data/all", 0, random)
    data = sheet.field(texts).value()
    assert len(data["grid"]) == 1
    assert data["grid"][0]
    assert data["tree"] == {"next": {"next": {}}}
    assert "all" in data
    texts = sheet.edit(texts, "drop:data/tree/next", 0, random)
    assert sheet.field(texts).value()["tree"] == {}


# --- live ---------------------------------------------------------------------------------------


class Stream:
    """Server-sent events, as they come."""

    def __init__(self, client: Client, path: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
        self.connection.request("GET", path)
        self.response = self.connection.getresponse()
        assert self.response.headers["Content-Type"].startswith("text/event-stream")

    def message(self) -> str:
        """Return the next message; "" at the end."""
        lines: list[str] = []
        while line := self.response.readline().decode():
            if line == "\n" and lines:
                break
            if line.startswith("data: "):
                lines.append(line.removeprefix("data: "))
        return "".join(lines)

    def until(self, text: str) -> int:
        """Read until a message has a text; return how many were read."""
        read = 1
        while text not in (message := self.message()):
            assert message, "the stream has ended"
            read += 1
        return read

    def close(self) -> None:
        self.response.close()
        self.connection.close()


@pytest.fixture
def watchers(coffrify_sandbox: Sandbox) -> Iterator[set[Any]]:
    """Who watches the sandbox; nobody must be left at the end."""
    found = coffrify_sandbox._service._watchers
    yield found
    deadline = time.monotonic() + 10
    while found and time.monotonic() < deadline:
        time.sleep(0.02)  # the server hears only a little later that a client has left
    assert not found


def test_the_live_overview_follows_each_change(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint, watchers: set[Any]
) -> None:
    """A client is told how things are, and then of each change."""
    stream = Stream(client, "/live/overview")
    first = stream.message()
    assert "Nothing has been sent yet" in first
    assert '<hx-partial hx-target="#clock"' in first
    coffrify_sandbox.trigger("transfer.created")
    stream.until("transfer.created")
    coffrify_sandbox.skip(3600)
    stream.until("data-now")
    assert len(watchers) == 1
    stream.close()


def test_the_page_of_a_delivery_follows_it(
    coffrify_sandbox: Sandbox,
    client: Client,
    receiver: Receiver,
    endpoint: Endpoint,
    watchers: set[Any],
) -> None:
    """The page of a delivery follows it, and hears of its end as of that of its endpoint."""
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    streams = [
        Stream(client, path)
        for path in (
            f"/live/deliveries/{delivery.id}",
            f"/live/endpoints/{endpoint.id}",
            "/live/dead-letters",
        )
    ]
    for stream in streams:
        stream.message()
    coffrify_sandbox.run_out()
    for stream in streams:
        stream.until("dead letter" if stream is streams[0] else "12")
    client.post(f"/endpoints/{endpoint.id}", ("do", "delete"))
    streams[0].until("The endpoint was deleted")
    streams[1].until("no longer exists")
    for stream in streams:
        stream.close()
    gone = Stream(client, "/live/deliveries/nothing")
    assert "no longer exists" in gone.message()
    gone.close()


def test_the_list_of_deliveries_follows_what_happens(
    coffrify_sandbox: Sandbox,
    client: Client,
    receiver: Receiver,
    endpoint: Endpoint,
    watchers: set[Any],
) -> None:
    """The list of all deliveries follows what happens, within what is asked for."""
    text = client.get("/deliveries?status=retrying").text
    assert 'hx-sse:connect="/live/deliveries?status=retrying"' in text
    retrying, all_of_it = [
        Stream(client, f"/live/deliveries{query}") for query in ("?status=retrying", "")
    ]
    assert "No delivery matches" in retrying.message()
    assert "There are no deliveries" in all_of_it.message()
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping")
    retrying.until("row-dlv_")
    coffrify_sandbox.run_out()
    retrying.until("No delivery matches")
    all_of_it.until("dead letter")
    client.post(f"/endpoints/{endpoint.id}", ("do", "delete"))
    gone = Stream(client, f"/live/deliveries?endpoint={endpoint.id}")
    gone.until("no longer exists")
    for stream in (retrying, all_of_it, gone):
        stream.close()


def test_every_page_counts_dead_letters_live(
    coffrify_sandbox: Sandbox,
    client: Client,
    receiver: Receiver,
    endpoint: Endpoint,
    watchers: set[Any],
) -> None:
    """Every page is live, if only its clock and the number beside "Dead letters"."""
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    streams: list[Stream] = []
    for path in (
        "/",
        "/deliveries",
        f"/deliveries/{delivery.id}",
        f"/endpoints/{endpoint.id}",
        "/endpoints/new",
        "/dead-letters",
        "/catalog",
        "/trigger",
        "/trigger/ping",
        "/endpoints/nothing",
    ):
        [address] = re.findall(r'hx-sse:connect="([^"]+)"', client.get(path).text)
        streams.append(Stream(client, address))
        assert '<span id="dead-count"></span>' in streams[-1].message()
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.run_out()
    for stream in streams:
        stream.until('<span id="dead-count" class=count>1</span>')
        stream.close()


def test_live_count_beside_a_delivery(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint, watchers: set[Any]
) -> None:
    """The page of one delivery counts the dead letters of all."""
    service = coffrify_sandbox._service
    event = Event("evt_1", "ping", b'{"type":"ping"}', 0.0)
    ours, other = (
        replace(new_delivery(event.id, endpoint.id, 0.0), status=status, next_at=None)
        for status in ("success", "dead_letter")
    )
    coffrify_sandbox._call(lambda: service.database.add(event, ours))
    stream = Stream(client, f"/live/deliveries/{ours.id}")
    stream.message()
    coffrify_sandbox._call(lambda: service.database.add(other))
    coffrify_sandbox._call(lambda: service._notify_watchers(other.id))
    stream.until('<span id="dead-count" class=count>1</span>')
    stream.close()


def test_a_disabled_endpoint_can_be_enabled_without_a_reload(
    coffrify_sandbox: Sandbox,
    client: Client,
    receiver: Receiver,
    endpoint: Endpoint,
    watchers: set[Any],
) -> None:
    """An endpoint that dead letters disable is offered to be enabled, without a reload."""
    stream = Stream(client, f"/live/endpoints/{endpoint.id}")
    assert 'id="disable"' in stream.message()
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping", count=5)
    coffrify_sandbox.run_out()
    stream.until('id="enable"')
    stream.close()


def test_nothing_is_sent_when_nothing_has_changed() -> None:
    """Nothing is sent when nothing has changed but the time, which the page knows by itself."""
    with Sandbox(speed=50) as sandbox:
        stream = Stream(Client(sandbox), "/live/overview")
        stream.message()
        for _ in range(4):
            sandbox._call(lambda: sandbox._service._notify_watchers(""))
            time.sleep(0.35)
        sandbox.trigger("ping")
        assert stream.until("no endpoint subscribes to it") == 1
        sandbox.skip(3600)
        assert stream.until("data-now") == 1
        stream.close()


@pytest.mark.parametrize("speed", [0, 1, 3600])
def test_clock_that_is_shown(speed: float) -> None:
    """A page's clock is right while time runs, however fast, and wrong after a jump."""
    clock = Clock(speed)
    shown = ClockShown(clock)
    assert not shown.is_right()
    shown.set()
    time.sleep(0.05)
    assert shown.is_right()
    clock.skip(4000)
    assert not shown.is_right()
    shown.set()
    assert shown.is_right()


def test_a_burst_is_a_few_messages_a_second(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint, watchers: set[Any]
) -> None:
    """Hundreds of deliveries are a few messages a second, and the last one is how it ended."""
    stream = Stream(client, "/live/overview")
    stream.message()
    began = time.monotonic()
    count = budget(300, 1000)
    coffrify_sandbox.trigger("ping", count=count)
    read = stream.until(f'<b class="num">{count}</b> <span class="status success">')
    assert read <= (time.monotonic() - began) / 0.3 + 2
    stream.close()


def test_head_of_a_stream(client: Client, watchers: set[Any]) -> None:
    """To ask for a stream's head alone does not wait for news."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=5)
    connection.request("HEAD", "/live/overview")
    assert connection.getresponse().read() == b""
    connection.close()


def test_stopping_with_a_page_open(caplog: pytest.LogCaptureFixture) -> None:
    """A sandbox stops at once though somebody is watching; the stream just ends, without a word."""
    sandbox = Sandbox()
    stream = Stream(Client(sandbox), "/live/overview")
    stream.message()
    with in_time(5):
        sandbox.close()
    assert stream.message() == ""
    stream.close()
    assert "Cancel" not in caplog.text


def test_stopping_while_time_passes(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    """A sandbox stops at once, without a word, though the time form waits for a receiver."""
    hook.free.clear()
    answers: list[Answer] = []
    with Sandbox() as sandbox:
        sandbox.create_endpoint(hook.url)
        sandbox.trigger("ping")
        hook.wait_for(1)
        client = Client(sandbox)
        waiting = threading.Thread(
            target=lambda: answers.append(client.post("/time", ("hours", "1"), ("back", "/")))
        )
        waiting.start()
        while not sandbox._service.time._lock.locked():
            time.sleep(0.01)
    waiting.join()
    hook.free.set()
    assert answers[0].status == 303
    assert [each for each in caplog.records if each.levelname != "INFO"] == []


# --- drawing and wording ------------------------------------------------------------------------


def attempts(*times: float, status: int = 500) -> list[Attempt]:
    return [Attempt(i, "d", i, at, at, (), b"", status, "", 0.1) for i, at in enumerate(times, 1)]


def test_schedule_is_drawn() -> None:
    """Past attempts are points, the next one is where it is due, the rest are ranges up to 72 h."""
    delivery = Delivery("d", "e", "p", "retrying", 0, next_at=200.0, attempts=3)
    drawn = chart(delivery, attempts(100, 130, 170), 180)
    assert drawn is not None
    assert [point.kind for point in drawn.points] == ["failed"] * 3 + ["next"]
    assert [round(point.after) for point in drawn.points] == [0, 30, 70, 100]
    assert [span.number for span in drawn.spans] == [*range(5, 13)]
    assert all(a.x < b.x for a, b in zip(drawn.spans, drawn.spans[1:], strict=False))
    assert all(span.earliest < span.latest <= WINDOW for span in drawn.spans)


def test_schedule_after_a_retry() -> None:
    """Put back into the queue, the drawing begins anew: the attempts before do not count."""
    delivery = Delivery("d", "e", "p", "pending", 0, next_at=5000.0, attempts=0)
    drawn = chart(delivery, attempts(100, 130), 5000)
    assert drawn is not None
    assert [(point.kind, point.number) for point in drawn.points] == [("next", 1)]
    assert len(drawn.spans) == 11


def test_schedule_that_ends_early() -> None:
    """What is over has nothing to come, what is sent once has no schedule, and 72 h end it."""
    over = Delivery("d", "e", "p", "success", 0, None, attempts=1)
    drawn = chart(over, attempts(0, status=200), 0)
    assert drawn is not None
    assert (drawn.points[0].kind, drawn.spans) == ("success", [])
    assert chart(Delivery("d", "e", "p", "failed", 0, None, manner="forged"), [], 0) is None
    late = Delivery("d", "e", "p", "retrying", 0, next_at=WINDOW - 60, attempts=1)
    drawn = chart(late, attempts(0), 0)
    assert drawn is not None
    assert len(drawn.spans) == 1 or not drawn.spans


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (30.4, "30 s"),
        (119.7, "2 min"),
        (3600, "60 min"),
        (7800, "2 h 10 min"),
        (219_914, "61 h"),
    ],
)
def test_a_length_of_time_reads_as_people_say_it(seconds: float, text: str) -> None:
    """A length of time is written as people say it."""
    assert length(seconds) == text


def test_what_cannot_be_seen_is_an_escape() -> None:
    """What cannot be seen is written as an escape; lines stay lines."""
    assert visible("a\u202eb\0c\r\nd\te\ud800é") == "a\\u202eb\\x00c\nd\te\\ud800é"


@pytest.mark.parametrize("text", TEXTS)
def test_json_stays_json(text: str) -> None:
    """JSON in which every character can be seen is still the same JSON, and text as ever."""
    value = {text: [text]}
    for shown in (json_text(value), pretty(json.dumps(value).encode())):
        assert json.loads(shown) == value
        assert all(char.isprintable() or char == "\n" for char in shown)
    assert "€" in json_text("€")


def test_foreign_files_are_named() -> None:
    """What is of others is unchanged, and stands in NOTICE.md with its licence."""
    import coffrify_webhooks.web as package

    static = Path(package.__file__ or "").with_name("static")
    rows = re.findall(
        r"^\| `([^`]+)`.* `(\w{64})` \|$", (static / "NOTICE.md").read_text(), re.MULTILINE
    )
    found = [
        (path.name, sha256(path.read_bytes()).hexdigest()) for path in static.glob("h*.min.js")
    ]
    assert sorted(rows) == sorted(found)
    assert "Zero-Clause BSD" in (static / "htmx-LICENSE.txt").read_text("utf-8")


def test_the_dashboard_uses_the_usual_words(coffrify_sandbox: Sandbox, client: Client) -> None:
    """A refused connection, a field's states and the clock's buttons have their usual names."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/nobody-listens")
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    overview = client.get("/").text
    assert "Connection refused" in overview
    assert "Advance time" in overview
    form = client.get("/trigger/transfer.created").text
    assert form.count(">Value</option>") > 0
    assert ">null</option>" in form or ">omit</option>" in form
