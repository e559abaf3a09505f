"""Reconciliation: what the sender delivered and nobody handled here arrives, and nothing else."""

import json
import signal
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from tests.budgets import budget

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router
from coffrify_webhooks.cli.group import commands
from coffrify_webhooks.reconcile import (
    CoffrifyHistory,
    DeliveryRecord,
    History,
    HistoryError,
    reconcile,
    reconcile_every,
)
from coffrify_webhooks.wsgi import CoffrifyWebhooksMiddleware
from coffrify_webhooks_sandbox import Sandbox

SECRET = "whsec_" + "5e" * 32
EVENTS = budget(60, 1000)


class Shop:
    """A receiver behind a proxy that loses some deliveries with a 200, and refuses others."""

    def __init__(self, store: str) -> None:
        self.runs: list[str | None] = []
        self.lost: set[int] = set()
        self.refused: set[int] = set()
        self.is_well = False
        self.numbers: dict[str, int] = {}
        router = Router()
        router.on("transfer.created", name="note")(self.note)
        self.receiver = Receiver(SECRET, router=router, store=store)
        self.app = CoffrifyWebhooksMiddleware(self.nothing, self.receiver)

    def note(self, event: Event) -> None:
        self.runs.append(event.id)

    def nothing(self, _environ: Any, start: Any) -> list[bytes]:
        start("404 Not Found", [])
        return []

    def __call__(self, environ: Any, start: Any) -> Any:
        number = self.numbers.setdefault(environ["HTTP_WEBHOOK_ID"], len(self.numbers))
        if not self.is_well and number in self.lost | self.refused:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            start("200 OK" if number in self.lost else "403 Forbidden", [])
            return []
        return self.app(environ, start)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def history_of(sandbox: Sandbox) -> CoffrifyHistory:
    return CoffrifyHistory(sandbox.api_key, f"{sandbox.url}/v1")


def test_what_never_arrived_is_handled_and_nothing_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    """A tenth is lost by something that answers 200, a twentieth refused until it is given up."""
    shop = Shop(f"sqlite:///{tmp_path}/shop.db")
    shop.lost, shop.refused = set(range(3, EVENTS, 10)), set(range(5, EVENTS, 20))
    endpoint = sandbox.serve(shop, secret=SECRET)
    events = sandbox.trigger("transfer.created", count=EVENTS)
    sandbox.trigger("transfer.deleted", count=2)  # which nobody handles
    sandbox.settle()
    for _ in shop.refused:  # the sender disables an endpoint after some dead letters in a row
        sandbox.run_out()
        if sandbox.endpoint(endpoint).is_active:
            break
        sandbox._call(lambda: sandbox._service.endpoints.update(endpoint.id, {"is_active": True}))
    shop.is_well = True
    since = time.time() - 3600
    history = history_of(sandbox)
    missing = len(shop.lost) + len(shop.refused)

    dry = reconcile(shop.receiver, history, since=since, dry_run=True)
    assert (dry.asked, len(dry.left), dry.found["missing"]) == (0, missing, missing)
    assert dry.found["handled"] == EVENTS - missing
    assert dry.found["unwanted"] == 2

    stops = iter([False] * (missing // 2))
    half = reconcile(
        shop.receiver, history, since=since, rate=1000, wait=0.1, stop=lambda: next(stops, True)
    )
    sandbox.settle()
    assert half.asked == missing // 2

    rest = reconcile(shop.receiver, history, since=since, rate=1000)
    assert (rest.asked, rest.arrived, rest.left) == (missing - half.asked,) * 2 + ([],)
    assert sorted(map(str, shop.runs)) == sorted(event.id for event in events)

    again = reconcile(shop.receiver, history, since=since)
    assert (again.asked, again.is_complete) == (0, True)
    shop.receiver.store.close()


def test_what_the_sender_will_try_again_is_not_asked_for(sandbox: Sandbox) -> None:
    """Nor is a test delivery, nor what is being handled, nor one of a type without a handler."""
    shop = Shop("memory:")
    shop.refused = {0}
    sandbox.serve(shop, secret=SECRET)
    sandbox.trigger("transfer.created")
    sandbox.settle()
    found = reconcile(shop.receiver, history_of(sandbox), since=time.time() - 60, wait=0.1)
    assert (found.found, found.asked, found.is_complete) == ({"coming": 1}, 0, True)


class Fixed(History):
    """A history of what a test says."""

    def __init__(self, *records: DeliveryRecord) -> None:
        self.records = records
        self.asked: list[str] = []

    def deliveries(self, since: float) -> Iterator[DeliveryRecord]:
        return (each for each in self.records if each.created_at >= since)

    def redeliver(self, delivery_id: str) -> None:
        self.asked.append(delivery_id)


def record(number: int, event: str, *, is_pending: bool = False) -> DeliveryRecord:
    created_at = time.time() - 100 + number
    return DeliveryRecord(f"d{number}", event, "transfer.created", is_pending, created_at)


def test_an_event_is_asked_for_once_by_its_last_delivery() -> None:
    """Entries that come twice, and replays, are one event; one that is pending counts most."""
    shop = Shop("memory:")
    twice = record(2, "evt_1")
    history = Fixed(
        record(1, "evt_1"), twice, twice, record(3, "evt_2", is_pending=True), record(4, "evt_2")
    )
    found = reconcile(shop.receiver, history, since=time.time() - 200, wait=0.01)
    assert history.asked == ["d2"]
    assert (found.events, found.found) == (2, {"missing": 1, "coming": 1})
    assert found.left == ["evt_1"]


class Refusing(Fixed):
    """Refuses to redeliver some: an endpoint was deleted, a delivery is too old."""

    refused: frozenset[str] = frozenset()

    def redeliver(self, delivery_id: str) -> None:
        if delivery_id in self.refused:
            raise HistoryError(f"{len(delivery_id)} characters are gone")
        super().redeliver(delivery_id)


def test_a_delivery_that_cannot_be_asked_for_keeps_no_other_waiting() -> None:
    """It is told of in the report, each reason once."""
    shop = Shop("memory:")
    history = Refusing(*(record(number, f"evt_{number}") for number in range(9)))
    history.refused = frozenset({"d0", "d1", "d3"})
    found = reconcile(shop.receiver, history, since=time.time() - 200, wait=0.01, rate=1000)
    assert history.asked == ["d2", "d4", "d5", "d6", "d7", "d8"]
    assert (found.asked, len(found.left)) == (6, 9)
    assert found.errors == ["2 characters are gone"]


def test_an_api_that_refuses_everything_is_soon_left_alone() -> None:
    """And what is left is in the report, for the next run."""
    shop = Shop("memory:")
    history = Refusing(*(record(number, f"evt_{number}") for number in range(50)))
    history.refused = frozenset(f"d{number}" for number in range(50))
    steps: list[tuple[str, int, int]] = []
    found = reconcile(
        shop.receiver,
        history,
        since=time.time() - 200,
        wait=0.01,
        rate=1000,
        on_step=lambda *step: steps.append(step),
    )
    assert (found.asked, len(found.left), len(found.errors)) == (0, 50, 1)
    assert sum(kind == "ask" for kind, *_ in steps) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"since": 0.0}, "retention"),
        ({"rate": 0.0}, "rate=0.0: give a number above 0"),
        ({"wait": float("nan")}, "wait=nan: give a number above 0"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, float], says: str) -> None:
    given: Any = {"since": time.time() - 60, **options}
    with pytest.raises(ConfigurationError, match=says):
        reconcile(Shop("memory:").receiver, Fixed(), **given)


# --- an API that is not as it should be ---------------------------------------------------------


class Odd(BaseHTTPRequestHandler):
    """Answers each request by the next of `answers`: a status, headers and a JSON document."""

    answers: list[tuple[int, dict[str, str], object]]
    asked: list[str]

    def respond(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        status, headers, document = (
            self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        )
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = respond  # noqa: N815 - as `http.server` calls them

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def api() -> Iterator[tuple[str, type[Odd]]]:
    kind = type("Api", (Odd,), {"answers": [], "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", kind
        server.shutdown()
        thread.join()


def entry(number: int, **fields: object) -> dict[str, object]:
    moment = "2026-11-28T10:00:00Z"
    return {"id": f"d{number}", "event_id": f"e{number}", "created_at": moment, **fields}


def page(*entries: object, cursor: object = None) -> tuple[int, dict[str, str], object]:
    return 200, {}, {"data": list(entries), "has_more": cursor is not None, "next_cursor": cursor}


def ids(history: CoffrifyHistory) -> list[str]:
    return [each.id for each in history.deliveries(0)]


def test_pages_are_followed_until_nothing_is_new(api: tuple[str, type[Odd]]) -> None:
    """Entries that repeat are one, a cursor in a circle ends, odd entries are left out."""
    url, kind = api
    kind.answers = [
        page({"id": "a/b"}),
        page(entry(1), entry(2), None, {"id": 5}, entry(3, event_id=None), cursor="a"),
        page(entry(2), entry(4), cursor="b"),
        page(entry(1), entry(4), cursor="a"),
    ]
    assert ids(CoffrifyHistory("cfy_test_1", url, endpoint="a/b")) == ["d1", "d2", "d4"]
    assert kind.asked[1:] == [
        f"GET /v1/webhooks/a%2Fb/deliveries?limit=200{more}"
        for more in ("", "&cursor=a", "&cursor=b")
    ]


def test_a_limit_of_requests_is_waited_for_and_told(api: tuple[str, type[Odd]]) -> None:
    url, kind = api
    kind.answers = [
        page({"id": "e"}),
        (429, {"Retry-After": "7"}, {"error": {"code": "rate_limited", "message": "slow down"}}),
        (503, {}, b"<html>"),
        page(entry(1)),
    ]
    told: list[float] = []
    slept: list[float] = []
    history = CoffrifyHistory(
        "cfy_test_1", url, endpoint="e", sleep=slept.append, on_wait=lambda _, s: told.append(s)
    )
    assert ids(history) == ["d1"]
    assert told == slept
    assert slept[0] == 7


BROKEN: dict[str, tuple[tuple[int, dict[str, str], object], type[Exception], str]] = {
    "not JSON": ((200, {}, b"<html>"), HistoryError, "not a JSON object"),
    "no list": ((200, {}, {"data": {}}), HistoryError, "no list `data`"),
    "refused": ((401, {}, {"error": {"code": "unauthorized"}}), ConfigurationError, "API key"),
    "unknown": ((404, {}, {"error": {"message": "what?"}}), HistoryError, "answered 404"),
    "cut off": (
        (200, {}, {"data": [entry(1)], "has_more": True}),
        HistoryError,
        "choose a later time",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_api_that_answers_otherwise_is_told_by_name(
    api: tuple[str, type[Odd]], name: str
) -> None:
    """And the key is in no error."""
    url, kind = api
    answer, error, says = BROKEN[name]
    kind.answers = [page({"id": "e"}), answer]
    with pytest.raises(error, match=says) as raised:
        ids(CoffrifyHistory("cfy_test_1secret", url, endpoint="e"))
    assert "1secret" not in str(raised.value)


@pytest.mark.parametrize(("known", "says"), [([], "none yet"), (["w1", "w2"], "w1, w2")])
def test_an_endpoint_that_is_not_named_must_be_the_only_one(
    api: tuple[str, type[Odd]], known: list[str], says: str
) -> None:
    url, kind = api
    kind.answers = [page(*({"id": each} for each in known))]
    with pytest.raises(ConfigurationError, match=says):
        ids(CoffrifyHistory("cfy_test_1", url))


HOOK = "https://shop.example/hook"


@pytest.mark.parametrize("named", ["w2", HOOK, "shop"])
def test_the_endpoint_is_named_by_its_id_its_url_or_its_name(
    api: tuple[str, type[Odd]], named: str
) -> None:
    url, kind = api
    known = page({"id": "w1"}, {"id": "w2", "url": HOOK, "name": "shop"})
    kind.answers = [known, page(entry(1)), page(entry(1))]
    history = CoffrifyHistory("cfy_test_1", url, endpoint=named)
    assert ids(history) == ids(history) == ["d1"]
    assert kind.asked == ["GET /v1/webhooks", *["GET /v1/webhooks/w2/deliveries?limit=200"] * 2]


def test_a_wrong_endpoint_is_refused_before_anything_begins(
    api: tuple[str, type[Odd]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each way to reconcile, naming those that there are. A worker starts without the API."""
    url, kind = api
    kind.answers = [page({"id": "w1", "url": HOOK})]
    says = "w1 (https://shop.example/hook)"
    receiver = Receiver(SECRET, router=Router(), store="memory:")
    with pytest.raises(ConfigurationError) as raised:
        reconcile_every(600, receiver, CoffrifyHistory("cfy_test_1", url, endpoint="w2"))
    assert says in str(raised.value)
    (tmp_path / "engined.py").write_text(
        "from coffrify_webhooks import Receiver, Router\n"
        "class Engine:\n"
        "    def dispatch(self, message): ...\n"
        "    def work(self, receiver, stop, grace): return stop.set() or True\n"
        f"receiver = Receiver({SECRET!r}, router=Router(), dispatcher=Engine(),\n"
        f"    store='sqlite:///{tmp_path}/engined.db')\n"
        "receiver.router.on('*', name='any')(lambda event: None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COFFRIFY_API_KEY", "cfy_test_1")
    monkeypatch.setenv("COFFRIFY_API_URL", url)
    before = [(each, signal.getsignal(each)) for each in (signal.SIGTERM, signal.SIGINT)]
    worker = ["worker", "--app", "engined", "--reconcile-every", "1h", "--endpoint", "w2"]
    for command in (worker, ["reconcile", "--app", "engined", "--since", "1h", *worker[-2:]]):
        refused = CliRunner().invoke(commands, command)
        assert (refused.exit_code, says in refused.stderr) == (2, True), refused.output
    kind.answers = [(503, {}, {})]
    started = CliRunner().invoke(commands, worker)
    assert (started.exit_code, "looked for later" in started.stderr) == (0, True), started.output
    for number, handler in before:
        signal.signal(number, handler)


# --- the command --------------------------------------------------------------------------------


def test_the_command_reports_and_exits_by_what_is_left(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As text and as JSON; a dry run asks for nothing."""
    module = tmp_path / "reconciled.py"
    module.write_text(
        "from coffrify_webhooks import Receiver, Router\n"
        "router = Router()\n"
        "router.on('transfer.created')(lambda event: None)\n"
        f"receiver = Receiver({SECRET!r}, router=router, store='sqlite:///{tmp_path}/shop.db')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COFFRIFY_API_KEY", sandbox.api_key)
    shop = Shop(f"sqlite:///{tmp_path}/shop.db")
    shop.lost = {1}
    sandbox.serve(shop, secret=SECRET)
    sandbox.trigger("transfer.created", count=2)
    sandbox.settle()
    [lost_id] = [each for each, number in shop.numbers.items() if number == 1]
    shop.is_well = True
    command = [
        "reconcile",
        "--app",
        "reconciled",
        "--since",
        "1h",
        "--api-url",
        f"{sandbox.url}/v1",
    ]

    dry = CliRunner().invoke(commands, [*command, "--dry-run"])
    assert dry.exit_code == 1
    assert "1 would be requested" in dry.output
    assert f"not handled: {lost_id}" in dry.output
    done = CliRunner().invoke(commands, [*command, "--json", "--rate", "100"])
    assert (done.exit_code, json.loads(done.output)["arrived"]) == (0, 1)
    again = CliRunner().invoke(commands, command)
    assert (again.exit_code, again.output) == (0, "2 events were sent:\n       2 handled here\n")
    shop.receiver.store.close()
