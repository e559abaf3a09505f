"""The reply table, the fixed order of steps, and what a receiver tells, remembers and refuses."""

import asyncio
import gzip
import hashlib
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import coffrify_webhooks
from coffrify_webhooks import (
    Claim,
    ConfigurationError,
    Delivery,
    Event,
    Message,
    Notice,
    Receiver,
    Reply,
    Router,
    Secret,
    StoreUnavailable,
    sign,
    verify,
)
from coffrify_webhooks.errors import BodyUnavailable, CompressedBody, IncompleteBody
from coffrify_webhooks.observe import Facts, Once
from coffrify_webhooks.parsing import parse as parsing_module
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.signature import verifier as verifier_module
from coffrify_webhooks.signature.keyring import Keyring
from coffrify_webhooks.stores import Filter
from coffrify_webhooks.stores.memory import MemoryStore
from coffrify_webhooks.stores.purging import PURGED_AT_ONCE
from coffrify_webhooks.stores.sqlite import SQLiteStore

SECRET = "whsec_" + "ab" * 16
OTHER = "whsec_" + "cd" * 16
NOW = 1_700_000_000.0
TYPE = "test.thing"


def body_of(event_id: str | None = "evt_1", event_type: str = TYPE, **more: Any) -> bytes:
    named = {} if event_id is None else {"id": event_id}
    return json.dumps({**named, "type": event_type, "data": {}, **more}).encode()


def headers_of(body: bytes, secret: str | Secret = SECRET, **options: Any) -> dict[str, str]:
    return sign(body, secret, **{"timestamp": NOW, **options})


class Rig:
    """A receiver on a memory store, with everything that it told and did."""

    def __init__(self, **options: Any) -> None:
        self.now = NOW
        self.told: list[Notice] = []
        self.runs: list[tuple[str, str | None]] = []
        self.router = Router()
        self.store = options.pop("store", None) or MemoryStore(clock=self.clock)
        observers = (Facts(self.told.append), *options.pop("observers", ()))
        self.receiver = Receiver(
            options.pop("secrets", SECRET),
            router=self.router,
            store=self.store,
            observers=observers,
            clock=self.clock,
            **options,
        )

    def clock(self) -> float:
        return self.now

    def handle(
        self, name: str = "one", *events: str, raising: list[Exception] | None = None
    ) -> None:
        """Register a handler that records its runs, and raises what the list holds, in turn."""

        def fn(event: Event) -> None:
            self.runs.append((name, event.id))
            if raising:
                raise raising.pop(0)

        self.router.on(*(events or ("*",)), name=name, allow_unknown=True)(fn)

    def deliver(self, body: bytes | None = None, **options: Any) -> Reply:
        body = body_of() if body is None else body
        return self.receiver.receive(body, headers_of(body, **options))

    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.told]

    def of(self, kind: str) -> list[Notice]:
        return [notice for notice in self.told if notice.kind == kind]


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.handle()
    return made


def check(
    reply: Reply,
    status: int,
    outcome: str,
    code: str | None = None,
    says: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    """Check a reply against a row of the table, to the letter."""
    assert (reply.status, reply.outcome) == (status, outcome)
    extra = {k: v for k, v in reply.headers.items() if not k.startswith("Content-")}
    assert extra == (headers or {})
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Content-Length"] == str(len(reply.body))
    document = json.loads(reply.body)
    if code is None:
        assert reply.error is None
        assert document == {"outcome": outcome}
    else:
        assert reply.error is not None
        assert reply.error.code == code
        assert document == {"error": {"code": code, "message": str(reply.error)}}
        assert says in str(reply.error)


BUSY = {"Retry-After": "5"}
UNAVAILABLE = {"Retry-After": "30"}


# --- the reply table --------------------------------------------------------------------------


def test_an_event_that_every_handler_took_is_handled(rig: Rig) -> None:
    """Every handler ran: 200 handled."""
    rig.handle("two")
    reply = rig.deliver()
    check(reply, 200, "handled")
    assert rig.runs == [("one", "evt_1"), ("two", "evt_1")]
    assert reply.event is not None
    assert reply.event.type == TYPE


@pytest.mark.parametrize("event_type", [TYPE, "ping", "transfer.created"])
def test_an_event_that_no_handler_wants_is_ignored(event_type: str) -> None:
    """Handlers exist, none for it: 200 ignored, for a ping too."""
    rig = Rig()
    rig.handle("one", "transfer.deleted")
    check(rig.deliver(body_of(event_type=event_type)), 200, "ignored")


def test_ignored_leaves_no_claim() -> None:
    """A replay of an ignored event reaches a handler that was deployed since."""
    rig = Rig()
    rig.handle("one", "transfer.deleted")
    check(rig.deliver(), 200, "ignored")
    rig.handle("late")
    check(rig.deliver(), 200, "handled")
    assert rig.runs == [("late", "evt_1")]


def test_a_duplicate_runs_nothing_however_often_it_comes(rig: Rig) -> None:
    """Already handled: 200 duplicate, and nothing runs, however often it comes."""
    rig.deliver()
    for _ in range(3):
        check(rig.deliver(), 200, "duplicate")
    assert len(rig.runs) == 1


def test_a_conflict_is_kept_and_not_run(rig: Rig) -> None:
    """The same id with another body after it was handled: 200, not run, kept, reported."""
    rig.deliver()
    other = body_of(changed=True)
    check(rig.deliver(other), 200, "conflict")
    assert len(rig.runs) == 1
    digest = hashlib.sha256(other).hexdigest()
    (kept,) = rig.store.find(Filter(statuses=("conflict",)))
    record = rig.store.get(kept.key)
    assert record is not None
    assert (record.id, record.digest, record.body) == ("evt_1", digest, other)
    (notice,) = rig.of("conflict")
    assert notice.level == logging.ERROR
    check(rig.deliver(), 200, "duplicate")


def test_an_event_handed_to_an_engine_is_queued() -> None:
    """Handed durably to an engine: 200 queued; and again while it is there: duplicate."""
    rig = Rig(dispatcher=Engine())
    check(rig.deliver(), 200, "queued")
    check(rig.deliver(), 200, "duplicate")


class Engine:
    def __init__(self, error: Exception | None = None) -> None:
        self.messages: list[Message] = []
        self.error = error

    def dispatch(self, message: Message) -> None:
        if self.error:
            raise self.error
        self.messages.append(message)


def test_an_event_handled_elsewhere_is_busy(rig: Rig) -> None:
    """Another live delivery is handling it: 503 busy with Retry-After, and nothing runs."""
    rig.store.claim(key_of("default", "evt_1"), "digest", 60)
    check(rig.deliver(), 503, "busy", "busy", "right now", BUSY)
    assert rig.runs == []


def test_a_claim_lost_while_handling_is_busy() -> None:
    """Our claim was lost while handling: 503 busy, and our settlement does nothing."""
    rig = Rig()

    @rig.router.on("*")
    def slow(event: Event) -> None:
        rig.now += 61
        assert rig.store.claim(key_of("default", "evt_1"), "digest", 60).status == "claimed"

    check(rig.deliver(), 503, "busy", "claim_lost", "ended while the event was handled", BUSY)
    assert rig.store.claim(key_of("default", "evt_1"), "digest", 60).status == "busy"


def test_rejected_without_signature(rig: Rig) -> None:
    """No signature: 400 rejected, and the message names the headers."""
    reply = rig.receiver.receive(body_of(), {})
    check(reply, 400, "rejected", "missing_signature", "webhook-")


def test_a_malformed_signature_is_rejected_with_the_header(rig: Rig) -> None:
    """A malformed signature: 400 rejected, and the message says which header and why."""
    reply = rig.receiver.receive(body_of(), {"X-Coffrify-Signature": "nonsense"})
    check(reply, 400, "rejected", "malformed_signature", "t=<seconds>,v1=<hex>")


def test_a_wrong_signature_is_rejected_with_what_to_check(rig: Rig) -> None:
    """A signature of another secret: 400 rejected, and the message says what to check."""
    check(
        rig.deliver(secret=OTHER),
        400,
        "rejected",
        "signature_mismatch",
        "check that the secret is this endpoint's",
    )


def test_a_stale_signature_is_rejected_with_its_skew(rig: Rig) -> None:
    """A stale signature: 400 rejected, with the measured skew and the likely cause."""
    reply = rig.deliver(timestamp=NOW - 300)
    check(reply, 400, "rejected", "timestamp_too_old", "signed 300 s ago, and 300 s are allowed")


def test_an_early_signature_is_rejected_with_its_skew(rig: Rig) -> None:
    """An early signature: 400 rejected, with the measured skew and the likely cause."""
    reply = rig.deliver(timestamp=NOW + 301)
    check(reply, 400, "rejected", "timestamp_too_new", "clock of this machine is behind")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "", "POSTS"])
def test_another_method_is_rejected_with_allow(rig: Rig, method: str) -> None:
    """Not POST: 405 rejected with Allow, although the delivery is good."""
    body = body_of()
    reply = rig.receiver.receive(body, headers_of(body), method=method)
    check(reply, 405, "rejected", "method_not_allowed", "by POST", {"Allow": "POST"})
    assert rig.runs == []


def test_method_in_lower_case(rig: Rig) -> None:
    """A server that hands over `post` is understood."""
    body = body_of()
    check(rig.receiver.receive(body, headers_of(body), method="post"), 200, "handled")


def test_rejected_too_large() -> None:
    """A body over the cap: 413 rejected, naming the option; at the cap it is taken."""
    rig = Rig(max_body=200)
    rig.handle()
    fits = body_of(pad="x" * (200 - len(body_of(pad=""))))
    assert len(fits) == 200
    check(rig.deliver(fits), 200, "handled")
    check(rig.deliver(fits + b" "), 413, "rejected", "body_too_large", "the option max_body")


def test_the_default_cap_is_one_mebibyte(rig: Rig) -> None:
    """Unless told otherwise the cap is 1 MiB."""
    check(rig.deliver(body_of().ljust(1_048_576)), 200, "handled")
    check(rig.deliver(body_of().ljust(1_048_577)), 413, "rejected", "body_too_large", "1048576")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"{}", "no string `type`"),
        (b'{"type": 3}', "no string `type`"),
        (b'{"type": null}', "no string `type`"),
    ],
)
def test_a_signed_body_without_a_type_is_unreadable(rig: Rig, body: bytes, says: str) -> None:
    """Signed, yet no JSON object with a string type: 422 unreadable, saying what it lacks."""
    check(rig.deliver(body, id="evt_1"), 422, "unreadable", "unreadable_payload", says)
    assert rig.runs == []


def test_unreadable_when_strict() -> None:
    """With strict=True what does not fit its class is a 422, and without it is handled."""
    body = body_of(event_type="transfer.created", data={"id": 5, "size": []})
    for strict, status in ((True, 422), (False, 200)):
        rig = Rig(strict=strict)
        rig.handle()
        assert rig.deliver(body).status == status
        assert len(rig.runs) == (0 if strict else 1)


def test_a_failing_handler_is_a_500_without_its_exception(rig: Rig) -> None:
    """A handler raised: 500 failed, pointing to the log, with nothing of the exception."""
    rig.handle("bad", raising=[ValueError("hunter2")])
    reply = rig.deliver()
    check(reply, 500, "failed", "handler_failed", "the log has its traceback")
    assert b"hunter2" not in reply.body
    assert b"ValueError" not in reply.body
    assert reply.error is not None
    assert isinstance(reply.error.__cause__, ValueError)


@pytest.mark.parametrize("body", [None, "{}", {}, 5])
def test_a_decoded_body_is_misconfigured_with_the_remedy(rig: Rig, body: Any) -> None:
    """The body is not the raw bytes: 500 misconfigured, naming the remedy."""
    reply = rig.receiver.receive(body, headers_of(b"{}"))
    check(reply, 500, "misconfigured", "body_unavailable", "before anything parses them")


def test_misconfigured_by_an_adapter(rig: Rig) -> None:
    """An adapter's finding about the body becomes its reply, and is told."""
    reply = rig.receiver.refuse(BodyUnavailable("read the body later"))
    check(reply, 500, "misconfigured", "body_unavailable", "read the body later")
    check(rig.receiver.refuse(IncompleteBody("cut")), 400, "rejected", "incomplete_body", "cut")
    assert rig.kinds() == ["replied", "replied"]


class Broken(MemoryStore):
    """A store whose named methods raise."""

    def __init__(self, **errors: Exception) -> None:
        super().__init__()
        self.errors = errors

    def __getattribute__(self, name: str) -> Any:
        errors = super().__getattribute__("__dict__").get("errors", {})
        if name in errors:

            def broken(*arguments: Any) -> Any:
                raise errors[name]

            return broken
        return super().__getattribute__(name)


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), OSError("hunter2"), StopIteration()])
@pytest.mark.parametrize("method", ["claim", "checkpoint", "done"])
def test_a_store_that_does_not_answer_is_a_503(method: str, error: Exception) -> None:
    """The store did not answer, at any step: 503 unavailable with Retry-After."""
    rig = Rig(store=Broken(**{method: error}))
    rig.handle("one")
    rig.handle("two")
    reply = rig.deliver()
    check(reply, 503, "unavailable", "store_unavailable", "", UNAVAILABLE)
    assert b"hunter2" not in reply.body


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), OSError("no")])
def test_store_that_cannot_release(error: Exception) -> None:
    """A release that fails does not hide why the delivery failed: still 500 failed."""
    rig = Rig(store=Broken(release=error))
    rig.handle(raising=[ValueError()])
    check(rig.deliver(), 500, "failed", "handler_failed")


@pytest.mark.parametrize("beside", [True, False])
def test_store_that_cannot_purge(beside: bool) -> None:  # noqa: FBT001
    """A purge that fails harms no delivery."""
    rig = Rig(store=Broken(purge=OSError("no")))
    vars(rig.store)["can_purge_beside"] = beside
    rig.handle()
    check(rig.deliver(), 200, "handled")


def test_an_engine_that_does_not_answer_is_a_503() -> None:
    """The engine did not take it: 503 unavailable with Retry-After, with nothing of its error."""
    rig = Rig(dispatcher=Engine(OSError("hunter2")))
    reply = rig.deliver()
    check(reply, 503, "unavailable", "dispatch_failed", "did not take", UNAVAILABLE)
    assert b"hunter2" not in reply.body


def test_unavailable_without_handlers() -> None:
    """No handler at all is registered: 503 unavailable, saying how to import them."""
    rig = Rig()
    reply = rig.deliver()
    check(reply, 503, "unavailable", "no_handlers", 'Receiver(handlers=["', UNAVAILABLE)
    rig.handle()
    check(rig.deliver(), 200, "handled")


def test_fault_of_ours(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside the package is a 500 that points to the log, never a traceback."""

    def broken(*arguments: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(Router, "match", broken)
    reply = rig.deliver()
    check(reply, 500, "failed", "error", "the log has its traceback")
    assert b"hunter2" not in reply.body


# --- the order of steps -----------------------------------------------------------------------


class Traced(MemoryStore):
    """A memory store that writes down each call."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    def claim(self, *arguments: Any, **options: Any) -> Claim:
        self.calls.append("claim")
        return super().claim(*arguments, **options)

    def checkpoint(self, key: str, token: str, handler: str) -> bool:
        self.calls.append(f"checkpoint {handler}")
        return super().checkpoint(key, token, handler)

    def done(self, key: str, token: str) -> bool:
        self.calls.append("done")
        return super().done(key, token)

    def release(self, key: str, token: str) -> bool:
        self.calls.append("release")
        return super().release(key, token)

    def purge(self, older_than: float, limit: int = 1000) -> int:
        self.calls.append("purge")
        return super().purge(older_than, limit)

    def conflict(self, *arguments: Any) -> None:
        self.calls.append("conflict")
        super().conflict(*arguments)


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def traced(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig that writes down every hash, parse and store call, and every handler run."""
    rig = Rig(store=Traced(calls), max_body=1000)
    rig.receiver.purge_schedule._next = float("inf")
    find = Keyring.find

    def hashing(*arguments: Any, **options: Any) -> Any:
        calls.append("hash")
        return find(*arguments, **options)

    def accepting(*arguments: Any, **options: Any) -> Any:
        found = accept(*arguments, **options)
        calls.extend(["hash"] * (found is not None))
        return found

    accept = getattr(verifier_module, "accept_usual")  # noqa: B009 - it exports no such name
    monkeypatch.setattr(Keyring, "find", hashing)
    monkeypatch.setattr(verifier_module, "accept_usual", accepting)
    from coffrify_webhooks.pipeline import identity

    parse = parsing_module.parse

    def parsing(*arguments: Any, **options: Any) -> Any:
        calls.append("parse")
        return parse(*arguments, **options)

    monkeypatch.setattr(identity, "parse", parsing)
    for name in ("a", "b"):

        def fn(event: Event, name: str = name) -> None:
            calls.append(name)

        rig.router.on("*", name=name)(fn)
    return rig


def test_the_whole_order_of_effects_is_each_once(traced: Rig, calls: list[str]) -> None:
    """Hash, parse, claim, each handler with its checkpoint, done: in this order, each once."""
    check(traced.deliver(), 200, "handled")
    assert calls == ["hash", "parse", "claim", "a", "checkpoint a", "b", "done"]


def test_order_of_a_duplicate(traced: Rig, calls: list[str]) -> None:
    """A duplicate is verified in full before the store is asked, and then nothing runs."""
    traced.deliver()
    calls.clear()
    traced.deliver()
    assert calls == ["hash", "parse", "claim"]


def test_order_of_a_conflict(traced: Rig, calls: list[str]) -> None:
    """A conflict is kept after the claim said so."""
    traced.deliver()
    calls.clear()
    traced.deliver(body_of(changed=1))
    assert calls == ["hash", "parse", "claim", "conflict"]


def test_oversize_before_hashing(traced: Rig, calls: list[str]) -> None:
    """A body over the cap is refused before anything is hashed, parsed or asked."""
    assert traced.deliver(body_of().ljust(1001)).status == 413
    assert calls == []


def test_method_before_everything(traced: Rig, calls: list[str]) -> None:
    """Another method is refused before even the size of the body is looked at."""
    assert traced.receiver.receive(b"x" * 2000, {}, method="GET").status == 405
    assert calls == []


def test_size_before_headers(traced: Rig, calls: list[str]) -> None:
    """A body that is too large is 413 even without a signature."""
    assert traced.receiver.receive(b"x" * 1001, {}).status == 413
    assert calls == []


@pytest.mark.parametrize("skew", [-300, 301])
def test_window_before_hashing(traced: Rig, calls: list[str], skew: float) -> None:
    """A stale or early timestamp is refused before anything is hashed, even with a forged body."""
    body = body_of()
    for sent in (body, body + b" "):
        reply = traced.receiver.receive(sent, headers_of(body, timestamp=NOW + skew))
        assert reply.status == 400
        assert reply.error is not None
        assert reply.error.code.startswith("timestamp_too_")
    assert calls == []


def test_signature_before_parsing(traced: Rig, calls: list[str]) -> None:
    """A forged body is never parsed, and never reaches the store: it is 400 even if unreadable."""
    body = body_of()
    for forged in (b"{", b"not json", body + b" "):
        assert traced.receiver.receive(forged, headers_of(body)).status == 400
    assert set(calls) == {"hash"}


def test_parsing_before_claiming(traced: Rig, calls: list[str]) -> None:
    """A signed body that is unreadable never reaches the store."""
    assert traced.deliver(b"{}", id="evt_1").status == 422
    assert calls == ["hash", "parse"]


def test_no_handlers_before_claiming(calls: list[str]) -> None:
    """Without any handler the store is not asked, and a stranger learns nothing of it."""
    rig = Rig(store=Traced(calls))
    assert rig.deliver().status == 503
    assert rig.receiver.receive(body_of(), {}).status == 400
    assert calls == []


def noting_purges(store: Any) -> "queue.SimpleQueue[tuple[str, int]]":
    """Let a store note in which thread it was purged, and how many events it dropped."""
    purged: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
    purge = store.purge

    def noted(older_than: float, limit: int = 1000) -> int:
        dropped: int = purge(older_than, limit)
        purged.put((threading.current_thread().name, dropped))
        return dropped

    store.purge = noted
    return purged


def test_a_purge_runs_once_an_hour_beside_the_deliveries(traced: Rig) -> None:
    """Old claims are purged by themselves, not with each delivery, and none waits for it."""
    purged = noting_purges(traced.store)
    traced.receiver.purge_schedule._next = 0.0
    traced.deliver()
    traced.deliver(body_of("evt_2"))
    assert purged.get(timeout=30) == ("coffrify-webhooks-purges", 0)
    assert purged.empty()


def test_a_store_that_must_not_be_purged_beside_is_purged_where_it_is_called(
    traced: Rig, calls: list[str]
) -> None:
    """Such a store is purged by the delivery, after its claim."""
    vars(traced.store)["can_purge_beside"] = False
    traced.receiver.purge_schedule._next = 0.0
    traced.deliver()
    assert calls.index("claim") < calls.index("purge") < calls.index("a")


def test_purge_spares_the_retention() -> None:
    """Ids are kept for the retention: a duplicate after 29 days is one, after 31 it is not."""
    rig = Rig()
    rig.handle()
    rig.receiver.purge_schedule._next = float("inf")
    rig.deliver()
    purged = noting_purges(rig.store)
    for days, outcome in ((29, "duplicate"), (31, "handled")):
        rig.now = NOW + days * 86_400
        rig.receiver.purge_schedule._next = 0.0
        rig.deliver(body_of(f"other {days}"), id=f"other{days}", timestamp=rig.now)
        purged.get(timeout=30)
        assert rig.deliver(timestamp=rig.now).outcome == outcome


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"secrets": ""}, "secret is empty"),
        ({"secrets": "  "}, "secret is empty"),
        ({"secrets": "whsec_"}, "only the prefix"),
        ({"secrets": []}, "list of secrets is empty"),
        ({"secrets": [SECRET, ""]}, "secret is empty"),
        ({"secrets": 5}, "secrets must be a str"),
        ({"secrets": [b"bytes"]}, "a secret must be a str"),
        ({"tolerance": 0}, "cannot be switched off"),
        ({"tolerance": -1}, "cannot be switched off"),
        ({"tolerance": float("inf")}, "cannot be switched off"),
        ({"tolerance": float("nan")}, "cannot be switched off"),
        ({"tolerance": "300"}, "cannot be switched off"),
        ({"max_body": 0}, "max_body=0: give a number above 0"),
        ({"max_body": True}, "max_body=True"),
        ({"lease": 0}, "lease=0"),
        ({"lease": -5}, "lease=-5"),
        ({"lease": float("nan")}, "lease=nan"),
        ({"lease": "60"}, "lease='60'"),
        ({"retention": 0}, "retention=0"),
        ({"name": ""}, "name=''"),
        ({"name": 5}, "name=5"),
        ({"name": "a\0b"}, "plain"),
        ({"router": "x"}, "router must be a Router"),
        ({"observers": 5}, "observers must be functions"),
        ({"observers": [5]}, "observers must be functions"),
        pytest.param(
            {"observers": [asyncio.sleep]},
            "write `def` in place of `async def`",
            id="async observer",
        ),
        ({"handlers": 5}, "handlers must be modules"),
        ({"clock": 5}, "clock=5"),
        ({"secrets": {"a": "b"}}, "secrets must be a str"),
        ({"schemes": ()}, "choose one or both"),
        ({"schemes": ("stripe",)}, "choose one or both"),
        ({"store": "mongodb://x"}, '"memory:", "sqlite:///'),
        ({"store": 5}, "store must be a Store, an AsyncStore or a URL, not int"),
        ({"store": [1]}, "store must be a Store, an AsyncStore or a URL, not list"),
        ({"dispatcher": [1]}, "a dispatch(message) method"),
        ({"handlers": ("no.such.module",)}, "name an importable module"),
        ({"handlers": "no_such_module"}, "name an importable module"),
        ({"secret": SECRET}, "did you mean secrets=?"),
        ({"tolerence": 5}, "did you mean tolerance=?"),
        ({"zzz": 5}, "there are secrets, name, router"),
    ],
    ids=str,
)
def test_a_mistake_in_the_settings_is_refused_at_the_start(
    options: dict[str, Any], says: str
) -> None:
    """A mistake in the settings is refused when the receiver is made, with what to do."""
    given: dict[str, Any] = {"secrets": SECRET, "store": "memory:", **options}
    with pytest.raises(ConfigurationError) as caught:
        Receiver(**given)
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_async_secrets_function_is_refused() -> None:
    """Secrets are loaded by a plain function; an async one is told at once."""

    async def secrets() -> list[str]:
        return [SECRET]

    with pytest.raises(ConfigurationError, match="async function"):
        Receiver(secrets, store="memory:")  # type: ignore[arg-type]


def test_a_body_without_the_signed_id_is_told(rig: Rig) -> None:
    """A standard delivery whose body has no id is told: stripped of its headers it has no dedup."""
    body = json.dumps({"type": TYPE}).encode()
    check(rig.receiver.receive(body, headers_of(body)), 200, "handled")
    assert len(rig.of("ids_differ")) == 1


def test_no_secret_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret the error names the variable and the option."""
    for value in (None, "", " , "):
        if value is None:
            monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
        else:
            monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", value)
        with pytest.raises(ConfigurationError, match=r"COFFRIFY_WEBHOOK_SECRET.*secrets="):
            Receiver(store="memory:")


def test_handlers_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules named in `handlers` are imported when the receiver is made."""
    (tmp_path / "handlers_of_mine.py").write_text("import builtins\nbuiltins.imported_it = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    import builtins

    monkeypatch.setattr(builtins, "imported_it", False, raising=False)
    Receiver(SECRET, store="memory:", handlers="handlers_of_mine")
    assert builtins.imported_it is True  # type: ignore[attr-defined]


def test_store_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store comes from the option, else the variable, else a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", "memory:")
    assert isinstance(Receiver(SECRET).store, MemoryStore)
    option = Receiver(SECRET, store="sqlite:///given.db").store
    assert isinstance(option, SQLiteStore)
    assert option.path == tmp_path / "given.db"
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE")
        else:
            monkeypatch.setenv("COFFRIFY_WEBHOOKS_STORE", value)
        default = Receiver(SECRET).store
        assert isinstance(default, SQLiteStore)
        assert default.path == tmp_path / "coffrify-webhooks.db"


def test_repr_shows_no_secret() -> None:
    """The repr of a receiver, its replies and its notices shows no secret and no payload."""
    rig = Rig()
    rig.handle(raising=[ValueError("boom")])
    reply = rig.deliver(body_of(data={"note": "hunter2"}))
    shown = f"{rig.receiver!r} {reply!r} {rig.told!r}"
    assert SECRET not in shown
    assert "ab" * 16 not in shown
    assert "hunter2" not in shown


# --- secrets ----------------------------------------------------------------------------------


def test_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable may hold several secrets, separated by commas."""
    monkeypatch.setenv("COFFRIFY_WEBHOOK_SECRET", f" {SECRET} ,{OTHER},")
    router = Router()
    router.on("*")(lambda event: None)
    receiver = Receiver(router=router, store="memory:", clock=lambda: NOW)
    for number, secret in enumerate((SECRET, OTHER)):
        body = body_of(f"evt_{number}")
        assert receiver.receive(body, headers_of(body, secret)).outcome == "handled"


def test_list_of_secrets() -> None:
    """During a rotation both secrets hold, and the delivery tells which one did."""
    rig = Rig(secrets=[SECRET, Secret(OTHER)])
    keys: list[int] = []

    @rig.router.on("*")
    def look(event: Event, delivery: Delivery) -> None:
        keys.append(delivery.key)

    for number, secret in enumerate((OTHER, SECRET)):
        check(rig.deliver(body_of(f"evt_{number}"), secret=secret), 200, "handled")
    assert keys == [1, 0]


def test_a_secret_is_refused_from_its_end_on() -> None:
    """A secret is refused from its `not_after` on, by the receiver's clock."""
    rig = Rig(secrets=[SECRET, Secret(OTHER, not_after=NOW + 10)])
    rig.handle()
    assert rig.deliver(body_of("a"), secret=OTHER).status == 200
    rig.now += 10
    assert rig.deliver(body_of("b"), secret=OTHER).status == 400


def test_secrets_from_a_callable() -> None:
    """A callable is asked for each delivery, so that a rotation needs no restart."""
    current = [SECRET]
    rig = Rig(secrets=lambda: current)
    rig.handle()
    assert rig.deliver(body_of("a")).status == 200
    assert rig.deliver(body_of("b"), secret=OTHER).status == 400
    current[:] = [OTHER]
    assert rig.deliver(body_of("b"), secret=OTHER).status == 200
    assert rig.deliver(body_of("c")).status == 400


@pytest.mark.parametrize("given", [OSError("hunter2"), None, [], "", ["whsec_"], 5])
def test_callable_without_secrets(given: Any) -> None:
    """A callable that raises, or returns nothing usable: 503 unavailable, and nothing of why."""

    def source() -> Any:
        if isinstance(given, Exception):
            raise given
        return given

    rig = Rig(secrets=source)
    rig.handle()
    reply = rig.deliver()
    check(reply, 503, "unavailable", "secrets_unavailable", "callable", UNAVAILABLE)
    assert b"hunter2" not in reply.body
    assert rig.runs == []


# --- observers --------------------------------------------------------------------------------


def test_each_delivery_is_told(rig: Rig) -> None:
    """Every delivery ends with one `replied` notice that carries its reply, event and delivery."""
    reply = rig.deliver()
    notice = rig.told[-1]
    assert (notice.kind, notice.receiver, notice.reply) == ("replied", "default", reply)
    assert notice.event is reply.event
    assert notice.delivery is not None
    refused = rig.receiver.receive(b"", {})
    assert len(rig.of("replied")) == 2
    assert rig.told[-1].error is refused.error


def test_key_match_is_told_once(rig: Rig) -> None:
    """Which secret matched, and how it was read, is told once for each, to be pinned."""
    for number in range(3):
        rig.deliver(body_of(f"evt_{number}"))
    (notice,) = rig.of("key_matched")
    assert 'Secret(..., encoding="hex")' in notice.text
    assert SECRET not in notice.text
    rig.deliver(body_of("evt_text"), secret=Secret(SECRET, encoding="text"))
    assert len(rig.of("key_matched")) == 2


def test_unhandled_is_told_once_per_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that nobody handles is told once, with a handler that can be pasted and runs."""
    rig = Rig()
    rig.handle("one", "transfer.deleted")
    for number, event_type in enumerate([TYPE, TYPE, "transfer.created", "ping"]):
        rig.deliver(body_of(f"evt_{number}", event_type))
    texts = [notice.text for notice in rig.of("unhandled")]
    assert len(texts) == 2
    for text, event_type in zip(texts, (TYPE, "transfer.created"), strict=True):
        router = Router()
        monkeypatch.setattr(coffrify_webhooks, "on", router.on)
        exec(text.partition("\n\n")[2], {"__name__": "pasted"})
        (handler,) = router.handlers
        assert handler.wants(event_type, known=event_type != TYPE)


def test_unhandled_type_is_quoted() -> None:
    """A stranger's type cannot break out of the code that is suggested, nor forge log lines."""
    rig = Rig()
    rig.handle("one", "transfer.deleted")
    rig.deliver(body_of(event_type='x")\nimport os  # \u2028\x1b[31m'))
    (notice,) = rig.of("unhandled")
    assert "\nimport os" not in notice.text
    assert "\x1b" not in notice.text
    assert notice.text.isascii()
    assert rig.told[-1].text.isascii()


def test_issues_are_told_once_per_type(rig: Rig) -> None:
    """A payload that does not fit its class is told once for each type, without its content."""
    for number in range(2):
        rig.deliver(body_of(f"e{number}", "transfer.created", data={"size": "hunter2", "id": 4}))
    (notice,) = rig.of("issues")
    assert "hunter2" not in notice.text
    assert notice.event is not None
    assert notice.event.issues


def test_handler_failure_is_told(rig: Rig) -> None:
    """Each handler that raised is told, with its name and the exception."""
    boom = ValueError("boom")
    rig.handle("bad", raising=[boom])
    rig.deliver()
    (notice,) = rig.of("handler_failed")
    assert notice.handler == "bad"
    assert notice.error is not None
    assert notice.error.__cause__ is boom
    assert notice.level == logging.ERROR


def stripped(body: bytes, **options: Any) -> dict[str, str]:
    """The vendor's own header alone, as whoever strips the standard ones would leave it."""
    return {"X-Coffrify-Signature": headers_of(body, **options)["X-Coffrify-Signature"]}


@pytest.mark.parametrize("event_id", [None, "", True, ["x"], {}, 1.5, "absent"])
@pytest.mark.parametrize("engine", [False, True])
def test_a_replay_without_an_id_is_a_duplicate(event_id: Any, *, engine: bool) -> None:
    """Without a usable id the key is what is signed, so that an exact replay runs nothing."""
    rig = Rig(dispatcher=Engine() if engine else None)
    rig.handle()
    document = {"type": TYPE} if event_id == "absent" else {"id": event_id, "type": TYPE}
    body = json.dumps(document).encode()
    outcomes = [rig.receiver.receive(body, stripped(body)) for _ in range(3)]
    assert [reply.outcome for reply in outcomes[1:]] == ["duplicate"] * 2
    assert outcomes[0].event is not None
    assert outcomes[0].event.id is None
    assert len(rig.of("no_dedup")) == 1
    for other in (body + b" ", body):  # another body, another time: another event
        first = rig.receiver.receive(other, stripped(other, timestamp=NOW + len(other)))
        assert first.outcome == outcomes[0].outcome
    assert len(rig.runs) == (0 if engine else 3)
    assert len(rig.of("no_dedup")) == 1


@pytest.mark.parametrize("number", [5, -1, 0, 10**400])
def test_an_integer_id_counts_as_its_text(rig: Rig, number: int) -> None:
    """A whole number is an id: signed anew it is a duplicate, and so is its text."""
    body = json.dumps({"id": number, "type": TYPE}).encode()
    first = rig.receiver.receive(body, stripped(body))
    check(first, 200, "handled")
    assert first.event is not None
    assert first.event.id == str(number)
    later = rig.receiver.receive(body, stripped(body, timestamp=NOW + 1))
    check(later, 200, "duplicate")
    assert rig.of("no_dedup") == []


def test_a_failed_event_without_an_id_runs_again(rig: Rig) -> None:
    """Exactly the same request is tried again as long as a handler failed."""
    rig.handle("bad", raising=[ValueError()])
    body = body_of(None)
    outcomes = [rig.receiver.receive(body, stripped(body)).outcome for _ in range(3)]
    assert outcomes == ["failed", "handled", "duplicate"]


def test_ids_differ_is_told_once(rig: Rig) -> None:
    """A signed webhook-id other than the body's id is told once, with the setting to change."""
    for number in range(3):
        check(rig.deliver(body_of(f"body_{number}"), id=f"head_{number}"), 200, "handled")
    (notice,) = rig.of("ids_differ")
    assert 'schemes=("standard",)' in notice.text
    check(rig.deliver(body_of("body_9"), id="head_0"), 200, "conflict")


def test_standard_headers_stripped(rig: Rig) -> None:
    """Whoever strips the standard headers of a delivery makes no second event of it."""
    body = body_of()
    headers = headers_of(body)
    check(rig.receiver.receive(body, headers), 200, "handled")
    stripped = {"X-Coffrify-Signature": headers["X-Coffrify-Signature"]}
    check(rig.receiver.receive(body, stripped), 200, "duplicate")
    check(rig.receiver.receive(body, {**stripped, "webhook-id": "evt_2"}), 200, "duplicate")


def test_raising_observer_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises is logged; the reply, the handlers and the others go on."""

    def bad(notice: Notice) -> None:
        raise RuntimeError("observer")

    later: list[Notice] = []
    rig = Rig(observers=(bad, later.append))
    rig.handle()
    check(rig.deliver(), 200, "handled")
    assert [each.kind for each in later if each.phase is None] == rig.kinds()
    assert any("an observer raised" in record.message for record in caplog.records)


def test_log_names_event_and_outcome(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line for each delivery, with ids in its extra fields, and no payload."""
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    rig.deliver(body_of(data={"note": "hunter2"}))
    (record,) = [r for r in caplog.records if getattr(r, "webhook_kind", "") == "replied"]
    fields = vars(record)
    assert fields["webhook_outcome"] == "handled"
    assert fields["webhook_event_id"] == "evt_1"
    assert fields["webhook_event_type"] == TYPE
    assert fields["webhook_receiver"] == "default"
    assert "hunter2" not in caplog.text
    assert SECRET not in caplog.text


def test_log_has_one_traceback(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A handler's traceback is in the log exactly once."""
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    rig.handle("bad", raising=[ValueError("boom")])
    rig.deliver()
    assert caplog.text.count("ValueError: boom") == 1


def test_rejected_is_a_warning(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """What a stranger can cause is no error in the log, so that nobody is woken by it."""
    rig.receiver.receive(b"junk", {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_default_store_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the default store is gets logged once; a store that was chosen is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    router = Router()
    router.on("*")(lambda event: None)
    receiver = Receiver(SECRET, router=router)
    for number in range(3):
        body = body_of(f"evt_{number}")
        assert receiver.receive(body, sign(body, SECRET)).status == 200
    receiver.store.close()
    assert caplog.text.count(str(tmp_path / "coffrify-webhooks.db")) == 1


# --- retries and replays ----------------------------------------------------------------------


def test_one_of_three_fails(rig: Rig) -> None:
    """One handler failing stops no other, and the retry runs only that one."""
    rig.handle("bad", raising=[ValueError(), ValueError()])
    rig.handle("three")
    check(rig.deliver(), 500, "failed", "handler_failed")
    assert [name for name, _ in rig.runs] == ["one", "bad", "three"]
    for status in (500, 200):
        rig.runs.clear()
        assert rig.deliver().status == status
        assert [name for name, _ in rig.runs] == ["bad"]
    check(rig.deliver(), 200, "duplicate")


def test_only_handler_fails(rig: Rig) -> None:
    """A failed event is not remembered: the retry need not wait for the lease."""
    rig = Rig()
    rig.handle(raising=[ValueError()])
    assert [rig.deliver().status for _ in range(3)] == [500, 200, 200]
    assert len(rig.runs) == 2


def test_handler_deployed_between_attempts() -> None:
    """A handler that is new at the retry runs too; one that is gone is not missed."""
    rig = Rig()
    rig.handle("a")
    rig.handle("gone", raising=[ValueError()])
    assert rig.deliver().status == 500
    later = Rig(store=rig.store)
    later.handle("a")
    later.handle("new")
    check(later.deliver(), 200, "handled")
    assert later.runs == [("new", "evt_1")]


def test_a_forgotten_event_runs_again_when_replayed(rig: Rig) -> None:
    """A forgotten event runs again when it is replayed; forgetting the unknown is False."""
    rig.deliver()
    assert rig.receiver.forget("evt_2") is False
    assert rig.receiver.forget("evt_1") is True
    check(rig.deliver(), 200, "handled")
    assert len(rig.runs) == 2


def test_receivers_that_share_a_store() -> None:
    """Two names on one store do not take each other's events for duplicates; two alike do."""
    store = MemoryStore()
    outcomes = []
    for name in ("a", "b", "a"):
        rig = Rig(store=store, name=name)
        rig.handle()
        outcomes.append(rig.deliver().outcome)
    assert outcomes == ["handled", "handled", "duplicate"]


@pytest.mark.parametrize("value", ["true", "True"])
def test_a_test_delivery_is_handled_like_any_other(rig: Rig, value: str) -> None:
    """A test delivery is handled and deduplicated like any other: its header is not signed."""
    seen: list[bool] = []

    @rig.router.on("*")
    def look(event: Event, delivery: Delivery) -> None:
        seen.append(delivery.test)

    body = body_of()
    headers = {**headers_of(body), "X-Coffrify-Test-Delivery": value}
    check(rig.receiver.receive(body, headers), 200, "handled")
    check(rig.receiver.receive(body, headers_of(body)), 200, "duplicate")
    assert seen == [True]


def test_ids_that_look_alike(rig: Rig) -> None:
    """Ids that differ only in case, spaces, NUL or surrogates are different events."""
    ids = ["a", "A", "a ", " a", "a\0", "\u00e4", "a\u0308", "\ud800", "\ud801", "a" * 5000]
    for event_id in ids:
        body = body_of(event_id)
        headers = {"X-Coffrify-Signature": headers_of(body, id="x")["X-Coffrify-Signature"]}
        check(rig.receiver.receive(body, headers), 200, "handled")
        check(rig.receiver.receive(body, headers), 200, "duplicate")


def test_key_is_a_hash() -> None:
    """A store's key is the sha256 of the receiver's name, a NUL and the id, and stays that."""
    assert key_of("a", "b") == hashlib.sha256(b"a\0b").hexdigest()


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_kinds_of_bytes(rig: Rig, wrap: Callable[[bytes], Any]) -> None:
    """Any kind of bytes is taken, and the event keeps plain bytes."""
    body = body_of()
    reply = rig.receiver.receive(wrap(body), headers_of(body))
    check(reply, 200, "handled")
    assert reply.event is not None
    assert type(reply.event.raw) is bytes
    assert reply.event.raw == body


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COFFRIFY_WEBHOOK_SECRET", raising=False)
    monkeypatch.delenv("COFFRIFY_WEBHOOKS_STORE", raising=False)


def test_real_clock_by_default() -> None:
    """Without a clock of its own a receiver goes by the real time."""
    router = Router()
    router.on("*")(lambda event: None)
    receiver = Receiver(SECRET, router=router, store="memory:")
    body = body_of()
    assert receiver.receive(body, sign(body, SECRET, timestamp=time.time())).status == 200
    assert receiver.receive(body, sign(body, SECRET, timestamp=time.time() - 400)).status == 400


def test_a_full_purge_goes_on_until_nothing_old_is_left() -> None:
    """While a purge drops as much as it may, another follows; then it rests an hour."""
    rig = Rig()
    rig.handle("one")
    dropped = iter([PURGED_AT_ONCE, PURGED_AT_ONCE, 3])
    vars(rig.store)["purge"] = lambda older_than, limit: next(dropped)
    purged = noting_purges(rig.store)
    for number in range(6):
        rig.deliver(body_of(f"evt_{number}"))
    assert [purged.get(timeout=30)[1] for _ in range(3)] == [PURGED_AT_ONCE, PURGED_AT_ONCE, 3]
    assert purged.empty()


def test_a_full_purge_in_place_goes_on_with_the_next_delivery() -> None:
    """While a purge drops as much as it may, every delivery drops more; then it rests an hour."""
    rig = Rig()
    rig.handle("one")
    vars(rig.store)["can_purge_beside"] = False
    dropped = iter([PURGED_AT_ONCE, PURGED_AT_ONCE, 3])
    vars(rig.store)["purge"] = lambda older_than, limit: next(dropped)
    purged = noting_purges(rig.store)
    for number in range(6):
        rig.deliver(body_of(f"evt_{number}"))
    assert purged.qsize() == 3


def test_purging_is_due_again_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs for long purges every hour."""
    rig = Rig()
    assert rig.receiver.purge_schedule.is_due()
    assert not rig.receiver.purge_schedule.is_due()
    now = time.monotonic()
    monkeypatch.setattr("coffrify_webhooks.stores.purging.monotonic", lambda: now + 3601)
    assert rig.receiver.purge_schedule.is_due()


def test_a_failing_done_asks_the_store_for_nothing_more() -> None:
    """A store that fails after the handler is not asked again, which would take as long again."""
    rig = Rig()
    rig.handle("one")
    asked: list[str] = []

    def fails(*arguments: Any) -> bool:
        raise OSError

    rig.store.done = fails  # type: ignore[method-assign]
    rig.store.release = lambda *_: bool(asked.append("release"))  # type: ignore[method-assign, func-returns-value]
    assert rig.deliver().outcome == "unavailable"
    assert asked == []


def test_the_first_failure_is_the_one_replied() -> None:
    """Of several handlers that raise, the reply's error is the first one's."""
    rig = Rig()
    router = rig.receiver.router

    @router.on("*", name="first")
    def first(event: Event) -> None:
        raise LookupError

    @router.on("*", name="second")
    def second(event: Event) -> None:
        raise OSError

    error = rig.deliver().error
    assert error is not None
    assert isinstance(error.__cause__, LookupError)


def test_ids_may_differ_under_the_standard_scheme_alone() -> None:
    """Where only the standard scheme counts, another id in the body is nobody's business."""
    rig = Rig(schemes=("standard",))
    rig.handle("one")
    rig.deliver(body_of("body"), id="head")
    assert rig.of("ids_differ") == []


def test_a_method_that_is_no_text_is_not_post() -> None:
    """A method of None is answered 405 like any other."""
    assert Rig().receiver.receive(b"", {}, method=None).status == 405  # type: ignore[arg-type]


def test_a_reply_is_made_of_its_fields() -> None:
    """Reply(status, headers, body, outcome, event, error), in this order."""
    reply = Reply(200, {"A": "b"}, b"x", "handled", None, None)
    assert (reply.status, reply.headers, reply.body) == (200, {"A": "b"}, b"x")
    assert (reply.outcome, reply.event, reply.error) == ("handled", None, None)


@pytest.mark.parametrize("method", ["po\ufb05", "GET", "", "POST ", "POSTS"])
def test_only_a_post_is_a_post(method: str) -> None:
    """A text that only becomes POST in capitals, by the rules of Unicode, is another method."""
    receiver = Receiver("whsec_" + "5e" * 32, router=Router(), store="memory:")
    body = b'{"id": "evt_1", "type": "ping"}'
    headers = sign(body, "whsec_" + "5e" * 32)
    assert receiver.receive(body, headers, method=method).status == 405
    refusal = receiver.refuse_early(headers, method=method)
    assert refusal is not None
    assert refusal.status == 405


def test_a_compressed_body_is_named_by_verify_alone() -> None:
    """`verify` names the compression too, by its header or by how gzip begins."""
    body = gzip.compress(b'{"id": "evt_1", "type": "ping"}')
    headers = sign(b'{"id": "evt_1", "type": "ping"}', "whsec_" + "5e" * 32)
    for named in ({}, {"Content-Encoding": "br"}, {"content-encoding": "x" * 5000}):
        with pytest.raises(CompressedBody) as caught:
            verify(body, {**headers, **named}, "whsec_" + "5e" * 32)
        assert len(str(caught.value)) < 400


# --- the log ----------------------------------------------------------------------------------


def errors_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_one_record_for_each_failing_handler(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails is one ERROR record, with its traceback; its reply is none."""
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    rig.handle("bad", raising=[ValueError("boom")])
    check(rig.deliver(), 500, "failed", "handler_failed")
    (record,) = errors_of(caplog)
    assert record.msg == "handler %s raised on %s %s"
    assert record.args == ("bad", repr(TYPE), "'evt_1'")
    assert record.exc_info is not None
    (replied,) = [each for each in caplog.records if each.levelno == logging.INFO][-1:]
    assert "failed, 500 (handler_failed" in replied.getMessage()


def test_an_error_tracker_groups_by_template(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Records of one kind share a template, whatever they tell of; no template is `%s` alone."""
    caplog.set_level(logging.DEBUG, "coffrify_webhooks")
    rig.handle("bad", "transfer.*", raising=[ValueError() for _ in range(20)])
    templates: list[set[str]] = []
    for number, name in enumerate(("transfer.created", "transfer.deleted")):
        caplog.clear()
        rig.receiver.first_time = Once().first_time
        event = f"evt_{number}"
        for _ in range(2):
            rig.deliver(body_of(event, name, data={"size": "x"}))
        rig.deliver(body_of(event, name, data={"another": number}))
        rig.deliver(body_of(event, f"unknown.type{number}"), id=f"other_{number}")
        rig.deliver(body_of(None), id=f"third_{number}")
        rig.receiver.receive(b"junk", {})
        rig.receiver.receive(b"junk", headers_of(b"junk", id=f"junk_{number}"))
        rig.receiver.receive(b"junk", headers_of(b"junk", timestamp=NOW - 1000 - number))
        templates.append({str(record.msg) for record in caplog.records})
        assert not any(event in template or name in template for template in templates[-1])
        assert all(len(template.replace("%s", "")) > 5 for template in templates[-1])
    assert templates[0] == templates[1]
    assert len(templates[0]) > 8


def test_a_notice_is_its_template_and_values(rig: Rig) -> None:
    """What an observer reads as `text` is the template with its values in it."""
    rig.handle("bad", raising=[ValueError()])
    rig.deliver()
    (notice,) = rig.of("handler_failed")
    assert (
        notice.text == notice.template % notice.values == f"handler bad raised on '{TYPE}' 'evt_1'"
    )


def test_percent_signs_of_strangers_are_text(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A type, an id or a name with a percent sign is a value, and formats nothing."""
    caplog.set_level(logging.INFO, "coffrify_webhooks")
    rig.handle("bad %s %d", raising=[ValueError()])
    rig.deliver(body_of("%s%(x)s", "a.%d"), id="evt_9")
    assert "bad %s %d raised on 'a.%d' '%s%(x)s'" in caplog.text
