"""What pages offer to copy, to edit and to press: commands, tests, code, misbehaviors."""

import html
import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.sandbox.visitor import HOSTILE, Client, Fields, Receiver

from coffrify_webhooks import Receiver as OwnReceiver
from coffrify_webhooks import Router, Secret, sign, verify
from coffrify_webhooks.cli.doctor.curl import read_curl
from coffrify_webhooks.router import default_router
from coffrify_webhooks.testing import deliver, isolated
from coffrify_webhooks.web.json_tokens import json_tokens
from coffrify_webhooks_sandbox import Endpoint, Sandbox
from coffrify_webhooks_sandbox.dashboard.copies import pytest_code
from coffrify_webhooks_sandbox.dashboard.rates import Rate, periods
from coffrify_webhooks_sandbox.dashboard.snippets import snippets
from coffrify_webhooks_sandbox.misbehaviors import MISBEHAVIORS
from coffrify_webhooks_sandbox.records import Event


def block(text: str, name: str) -> str:
    """Return the text of a `<pre>` by its id."""
    [found] = re.findall(rf'<pre [^>]*id="{name}">(.*?)</pre>', text, re.DOTALL)
    return html.unescape(re.sub(r"</?span[^>]*>", "", found))


def test_a_page_has_the_event_its_deliveries_and_its_body(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """A type, an id, each delivery, coloured JSON; and a button sends it to each endpoint again."""
    [event] = coffrify_sandbox.trigger("transfer.created", fields={"notes": HOSTILE})
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    text = client.get(f"/events/{event.id}").text
    assert f'<tr id="row-{delivery.id}">' in text
    assert json.loads(block(text, "event-json")) == json.loads(event.body)
    assert '<span class="j-key">&#34;type&#34;</span>' in text
    assert "<script>alert" not in text
    answer = client.post(f"/events/{event.id}", ("do", "replay"))
    assert answer.location == f"/events/{event.id}?done=replayed_some&count=1"
    coffrify_sandbox.settle()
    assert receiver.got == [event.body] * 2
    client.post(f"/endpoints/{endpoint.id}", ("do", "disable"))
    assert "Replay" not in client.get(f"/events/{event.id}").text.partition("<table")[0]


@pytest.mark.parametrize("text", ["", '{"a": 1}', '"a" : "b\\"c": tru e -1.5e3', "{" * 9, HOSTILE])
def test_pieces_of_json_are_the_text(text: str) -> None:
    assert "".join(piece for _, piece in json_tokens(text)) == text


def test_colours_of_json_say_what_is_what() -> None:
    pieces = json_tokens('{"key": ["text", -1.5, null], "a\\"b": true}')
    assert [each for each in pieces if each[0]] == [
        ("key", '"key"'),
        ("string", '"text"'),
        ("word", "-1.5"),
        ("word", "null"),
        ("key", '"a\\"b"'),
        ("word", "true"),
    ]


def test_the_curl_command_sends_a_delivery_that_verifies(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """Signed when the page is shown; what a terminal cannot show is not offered."""
    title = 'it\'s "quoted" $HOME `id` \\ é'
    coffrify_sandbox.trigger("transfer.created", fields={"transfer_title": title})
    coffrify_sandbox.trigger("transfer.created", fields={"transfer_title": "a\u202eb"})
    coffrify_sandbox.settle()
    hidden, plain = coffrify_sandbox.deliveries()
    command = block(client.get(f"/deliveries/{plain.id}").text, "curl")
    assert endpoint.url in command
    body, headers, method = read_curl(command)
    assert (method, verify(body, headers, endpoint.secret).id) == ("POST", plain.event_id)
    assert json.loads(body)["data"]["transfer_title"] == title
    assert 'id="curl"' not in client.get(f"/deliveries/{hidden.id}").text


@pytest.mark.parametrize("manner", ["", "new-fields", "missing-fields", "unknown-type"])
def test_the_test_that_is_copied_passes(
    coffrify_sandbox: Sandbox,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    manner: str,
) -> None:
    """It delivers the same event to the user's own application, whatever the event holds."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    fields = {"transfer_title": HOSTILE + "\"''' \\ \n", "notes": None}
    [event] = coffrify_sandbox.trigger("transfer.created", manner=manner, fields=fields)
    code = block(client.get(f"/events/{event.id}").text, "pytest")
    router = Router()
    seen: list[Any] = []
    router.on("*")(seen.append)
    module: Any = ModuleType("app")
    module.app = OwnReceiver("whsec_" + "ab" * 24, router=router, store="memory:")
    monkeypatch.setitem(sys.modules, "app", module)
    (tmp_path / "test_it.py").write_text(code, "utf-8")
    with isolated(module.app) as kit:
        made = runpy.run_path(str(tmp_path / "test_it.py"))
        [test] = [value for name, value in made.items() if name.startswith("test_")]
        test(kit)
    assert json.loads(seen[0].raw) == json.loads(event.body)


def test_what_is_too_long_is_not_offered_to_copy() -> None:
    long = Event("e", "ping", b'{"a":"' + b"x" * 60_000 + b'"}', 0.0)
    assert pytest_code(long) == ""
    assert pytest_code(Event("e", "!", b"no json", 0.0)) == ""
    assert "def test_event(" in pytest_code(Event("e", "!", b"{}", 0.0))


def test_an_event_is_edited_and_sent_anew(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """The form has the event's data and its endpoint; what is sent has an id of its own."""
    [event] = coffrify_sandbox.trigger("transfer.created", fields={"transfer_title": "Before"})
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    page = html.unescape(client.get(f"/deliveries/{delivery.id}").text)
    [path] = re.findall(r'href="(/trigger/[^"]+)">Edit and resend', page)
    fields = Fields(client.get(path).text)
    pairs = [(name, "After" if value == "Before" else value) for name, value in fields.pairs]
    assert pairs != fields.pairs
    client.post("/trigger/transfer.created", *pairs, ("do", "trigger"))
    coffrify_sandbox.settle()
    before, after = map(json.loads, receiver.got)
    assert after["id"] != event.id
    assert after["data"] == {**before["data"], "transfer_title": "After"}
    [odd] = coffrify_sandbox.trigger("ping", manner="unknown-type")
    assert "Edit and resend" not in client.get(f"/events/{odd.id}").text


def test_the_response_stands_before_the_signatures(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """And both sides' headers fold away."""
    receiver.status, receiver.body = "400 Bad Request", b'{"error": "no"}'
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    [delivery] = coffrify_sandbox.deliveries()
    text = client.get(f"/deliveries/{delivery.id}").text
    assert text.index("Response body") < text.index("webhook-signature")
    for name in ("headers", "reply-headers"):
        assert re.search(rf'<details class="inner" id="{name}-\d+"><summary>', text)
    assert '<span class="j-string">&#34;no&#34;</span>' in text
    doctor = client.get(f"/doctor?delivery={delivery.id}").text
    assert f'href="/doctor?delivery={delivery.id}"' in text
    pairs = Fields(doctor).changed(base64="1", endpoint=endpoint.id)
    assert "Accepted" in client.post("/doctor", *pairs).text
    assert client.get("/doctor?delivery=nothing").status == 404


def test_every_misbehavior_is_one_press_away(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """An endpoint's page has a button for each; a disabled endpoint has none."""
    path = f"/endpoints/{endpoint.id}"
    text = client.get(path).text
    assert re.findall(r'name="manner" value="([^"]+)"', text) == [*MISBEHAVIORS]
    for name in ("duplicate", "out-of-order"):
        answer = client.post(path, ("do", "misbehave"), ("manner", name))
        assert answer.location == f"{path}?done=misbehaved"
    coffrify_sandbox.run_out()
    manners = {each.manner for each in coffrify_sandbox.deliveries()}
    assert manners >= {"duplicate", "out-of-order"}
    assert len(receiver.got) == 4
    assert client.post(path, ("do", "misbehave"), ("manner", "nothing")).status == 400
    client.post(path, ("do", "disable"))
    assert 'name="manner"' not in client.get(path).text


def test_times_are_relative_and_say_when_exactly(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """By the sandbox's clock, as the page says."""
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(3 * 3600)
    for path in ("/", "/events", "/deliveries"):
        text = client.get(path).text
        assert re.search(
            r'title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC" data-at="[\d.]+">3 h ago<', text
        )
        assert "All times are in UTC, by the sandbox's clock" in html.unescape(text)


def test_rates_of_an_endpoint_over_time(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Each period has its share of successes; the list of endpoints has that of the latest."""
    coffrify_sandbox.trigger("ping", count=3)
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(600)
    receiver.status = "500 Oops"
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    page = client.get(f"/endpoints/{endpoint.id}").text
    assert re.findall(r">(\d+) %</td>", page) == ["0", "100"]
    assert re.findall(r">(\d+) %</td>", client.get("/endpoints").text) == ["75"]


def test_periods_are_as_short_as_fits() -> None:
    """The latest come first; a rate of 100 or 0 percent is exact; 95% are as quick as said."""
    samples = [(float(i), i != 7, i / 1000) for i in range(1000)]
    rate = Rate.of(samples)
    assert rate is not None
    assert (rate.attempts, rate.successes, rate.percent) == (1000, 999, 99)
    assert (rate.median, rate.slow) == (0.499, 0.949)
    assert Rate.of([]) is None
    assert periods([]) == []
    found = periods(samples)
    assert found[0].length == 300
    assert [each.begin for each in found] == [900.0, 600.0, 300.0, 0.0]
    assert sum(each.rate.attempts for each in found) == 1000
    far = periods([(0.0, True, 1.0), (1e9, False, 1.0)])
    assert [each.rate.percent for each in far] == [0, 100]


@pytest.mark.parametrize("path", ["/webhooks/coffrify", "/hook", "/a%22b", ""])
def test_the_code_of_each_framework_receives(
    coffrify_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """As it is pasted, at the endpoint's path; Django's is checked as code."""
    endpoint = coffrify_sandbox.create_endpoint(f"http://127.0.0.1:9{path}")
    where = path if path == "/hook" else "/webhooks/coffrify"
    monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", "whsec_" + "ab" * 24)
    monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", "memory:")
    shop: Any = ModuleType("shop")
    shop.application = lambda *_: []
    monkeypatch.setitem(sys.modules, "shop", shop)
    for each in snippets(endpoint):
        compile(each.code, each.name, "exec")
        if each.name == "django":
            assert ('"PATH": "/hook"' in each.code) == (path == "/hook")
            continue
        with monkeypatch.context() as clean, isolated():
            for name in ("_handlers", "_matches"):
                clean.setattr(default_router, name, {})
            made: dict[str, Any] = {"__name__": "pasted"}
            exec(each.code, made)
            assert deliver(made["app"], "transfer.created", path=where).outcome == "handled", each


def test_code_for_an_endpoint_that_wants_other_events(coffrify_sandbox: Sandbox) -> None:
    endpoint = coffrify_sandbox.create_endpoint("http://127.0.0.1:9/", ["ping"])
    assert all('@on("ping")\n' in each.code for each in snippets(endpoint))


def test_the_playground_signs_as_the_sender_and_leads_to_the_doctor(client: Client) -> None:
    """Each reading of the secret; the doctor's form has the request, and no secret is shown."""
    secret = f"whsec_{bytes(range(32)).hex()}"
    body = '{"id":"evt_1","note":"é < &"}'
    pairs = [("body", body), ("id", "evt_1"), ("timestamp", "1777885200"), ("secret", secret)]
    text = client.post("/signatures", *pairs).text
    assert secret not in text
    expected = sign(body.encode(), Secret(secret, encoding="hex"), id="evt_1", timestamp=1777885200)
    shown = block(text, "headers-hex")
    assert dict(line.split(": ", 1) for line in shown.splitlines()) == expected
    assert {"headers-hex", "headers-text"} <= set(re.findall(r'id="(headers-\w+)"', text))
    given = Fields(text).forms
    [fill] = [each for each in given if ("only_fill", "1") in each]
    doctor = client.post("/doctor", *fill).text
    assert html.escape(body, quote=False) in doctor.replace("&#34;", '"')
    assert expected["webhook-signature"] in doctor


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a.b"}, "id is not"),
        ({"timestamp": "soon"}, "whole number"),
        ({"secret": ""}, "give the secret"),
        ({"endpoint": "nothing"}, "there is no endpoint"),
        ({"body": "?", "base64": "1"}, "not in base64"),
    ],
)
def test_a_mistake_in_the_playground_is_told(
    client: Client, change: dict[str, str], message: str
) -> None:
    pairs = {"body": "{}", "id": "e", "timestamp": "1", "secret": "long enough for this", **change}
    answer = client.post("/signatures", *pairs.items())
    assert answer.status in (400, 404)
    assert message in answer.text
    assert f'value="{pairs["id"]}"' in answer.text
