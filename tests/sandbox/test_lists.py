"""The lists of events and deliveries: search, filters, and what is done with the found."""

import html
import re
from datetime import UTC, datetime

import pytest
from tests.sandbox.visitor import HOSTILE, Client, Receiver

from coffrify_webhooks_sandbox import Endpoint, Sandbox
from coffrify_webhooks_sandbox import database_search as searching
from coffrify_webhooks_sandbox.courier import new_delivery
from coffrify_webhooks_sandbox.database import Database
from coffrify_webhooks_sandbox.database_search import Wanted
from coffrify_webhooks_sandbox.records import Event


def rows(client: Client, path: str) -> list[str]:
    """Return the ids of a list's rows."""
    answer = client.get(path)
    assert answer.status == 200, answer.text
    return re.findall(r'<tr id="row-([^"]+)"', answer.text)


def at(moment: float) -> str:
    """Write a time as a browser's field does."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"


def test_menu_leads_to_every_list(client: Client) -> None:
    text = client.get("/").text
    for name in ("Events", "Deliveries", "Endpoints"):
        path = f"/{name.lower()}"
        assert f'<a href="{path}">{name}</a>' in text
        assert f'<a href="{path}" aria-current="page">' in client.get(path).text


def test_lists_are_searched_by_text_type_status_and_time(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Each filter finds what it names in both lists, and together they find what fits all."""
    [plans] = coffrify_sandbox.trigger("transfer.created", fields={"transfer_title": "Plans"})
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(3600)
    begin = coffrify_sandbox._service.clock.now()
    receiver.status, receiver.body = "500 Oops", b"the Database is down"
    [ping] = coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    first, second = (coffrify_sandbox.deliveries(each)[0].id for each in (plans, ping))
    both = [(plans.id, first), (ping.id, second)]
    for query, found in (
        ("", both),
        ("q=pLANS", both[:1]),
        (f"q={ping.id}", both[1:]),
        ("type=transfer.created", both[:1]),
        ("type=transfer.*", both[:1]),
        ("type=transfer", []),
        ("status=success", both[:1]),
        ("status=retrying&type=ping", both[1:]),
        ("status=retrying&type=transfer.*", []),
        (f"since={at(begin - 60)}", both[1:]),
        (f"until={at(begin - 60)}", both[:1]),
        (f"endpoint={endpoint.id}&event={ping.id}", both[1:]),
    ):
        assert rows(client, f"/events?{query}") == [event for event, _ in found[::-1]], query
        assert rows(client, f"/deliveries?{query}") == [each for _, each in found[::-1]], query
    assert rows(client, "/deliveries?q=database+is+down") == [second]
    assert rows(client, f"/deliveries?q={second}") == [second]


@pytest.mark.parametrize("path", ["/events", "/deliveries"])
def test_a_time_that_cannot_be_read_is_told(client: Client, path: str) -> None:
    for text in ("yesterday", "2026-13-01T00:00", "9" * 300):
        answer = client.get(f"{path}?since={text}")
        assert answer.status == 400
        assert "give a time in UTC" in answer.text


def test_a_search_keeps_what_was_asked_and_is_never_markup(
    coffrify_sandbox: Sandbox, client: Client, endpoint: Endpoint
) -> None:
    """The form, the live part and the link to older ones ask for the same again."""
    coffrify_sandbox.trigger("ping", count=60)
    coffrify_sandbox.settle()
    for path in ("/events", "/deliveries"):
        text = client.get(f"{path}?type=ping&status=success").text
        assert 'name="type" value="ping"' in text
        assert f'hx-sse:connect="/live{path}?type=ping&amp;status=success"' in text
        [older] = re.findall(
            rf'href="({path}\?type=ping&amp;status=success&amp;before=[^"]+)"', text
        )
        assert len(rows(client, html.unescape(older))) == 10
        hostile = client.get(f"{path}?q={HOSTILE[:30].replace(' ', '+')}").text
        assert "<script>alert" not in hostile
        assert "matches" in hostile


def test_a_paused_list_is_not_live_but_its_frame_is(client: Client) -> None:
    """Pausing keeps the filters, and so does going on."""
    for path in ("/events", "/deliveries"):
        live = client.get(f"{path}?type=ping").text
        assert f'href="{path}?type=ping&amp;live=off">Pause</a>' in live
        paused = client.get(f"{path}?type=ping&live=off").text
        assert re.findall(r'hx-sse:connect="([^"]+)"', paused) == ["/live/frame"]
        assert f'href="{path}?type=ping">Resume</a>' in paused


def test_a_search_looks_at_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it has ended early, and where to go on, until the oldest is found."""
    monkeypatch.setattr(searching, "_LOOKED_AT", 10)
    monkeypatch.setattr(searching, "_READ", 10)
    database = Database()
    events = [Event(f"e{i}", "a" if i else "b", b'{"t":"x"}', float(i)) for i in range(35)]
    deliveries = [new_delivery(each.id, "end", each.created_at) for each in events]
    database.add(*events, *deliveries)
    for wanted in (Wanted(type="b"), Wanted(type="b", text="X")):
        before, steps = "", 0
        while not (found := database.search.events(wanted._replace(before=before), 5)).records:
            assert found.is_cut
            before, steps = found.older, steps + 1
        assert (found.records, found.older, steps) == (events[:1], "", 3)
        last = database.search.deliveries(wanted._replace(before=deliveries[7].id), 5)
        assert (last.records, last.older, last.is_cut) == (deliveries[:1], "", False)
    full = database.search.events(Wanted(), 5)
    assert ([each.id for each in full.records], full.older) == (
        ["e34", "e33", "e32", "e31", "e30"],
        "e30",
    )
    database.close()


def test_a_selection_is_replayed_and_nothing_else(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """Only deliveries that can be replayed can be chosen; a disabled endpoint's are left out."""
    coffrify_sandbox.trigger("ping", count=3)
    other = coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.trigger("ping", endpoint=other)
    coffrify_sandbox.settle()
    client.post(f"/endpoints/{other.id}", ("do", "disable"))
    shown = client.get("/deliveries").text
    choices = re.findall(r'type="checkbox" name="delivery" value="([^"]+)"', shown)
    mine = [each.id for each in coffrify_sandbox.deliveries() if each.endpoint_id == endpoint.id]
    assert choices == mine
    everything = [each.id for each in coffrify_sandbox.deliveries()]
    pairs = [("delivery", each) for each in (mine[0], mine[2], everything[0])]
    answer = client.post("/deliveries", *pairs, ("do", "replay"))
    assert answer.location == "/deliveries?done=replayed_some&count=2"
    coffrify_sandbox.settle()
    assert len(receiver.got) == 5
    replays = [each.replay_of for each in coffrify_sandbox.deliveries() if each.replay_of]
    assert sorted(replays, key=str) == sorted([mine[0], mine[2]])
    assert client.post("/deliveries", ("delivery", "nothing"), ("do", "replay")).status == 404


def test_all_of_a_time_range_is_replayed(
    coffrify_sandbox: Sandbox, client: Client, receiver: Receiver, endpoint: Endpoint
) -> None:
    """What the filters find is replayed at once, and what lies outside of them is not."""
    coffrify_sandbox.trigger("ping", count=2)
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(7200)
    moment = coffrify_sandbox._service.clock.now()
    coffrify_sandbox.trigger("ping", count=3)
    coffrify_sandbox.trigger("transfer.created")
    coffrify_sandbox.settle()
    assert "Replay all found" not in client.get("/deliveries").text
    query = [("since", at(moment - 60)), ("type", "ping")]
    page = client.get(f"/deliveries?since={at(moment - 60)}&type=ping").text
    assert "Replay all found" in page
    assert f'<input type="hidden" name="since" value="{at(moment - 60)}">' in page
    answer = client.post("/deliveries", *query, ("do", "replay_found"))
    assert answer.location.endswith("count=3")
    coffrify_sandbox.settle()
    assert len(receiver.got) == 9
