"""What each stage of a delivery costs: verify, parse, receive; in ratios of CPU time.

The floor of verifying is the hash itself, that of parsing `json.loads`. The peers verify in
the same run. `--json` prints JSON.
"""

import asyncio
import hmac
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Or `requests`, which others import, would be the benchmark of that name beside this one.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import standardwebhooks
import stripe
from benchmarks.measuring import AROUND, SECRET, Table, body_of, deliveries, take_turns
from slack_bolt import App, BoltRequest
from slack_bolt.authorization import AuthorizeResult

from coffrify_webhooks import Receiver, Router, Secret, Verifier, parse, sign
from coffrify_webhooks.observe import Facts, Observer
from coffrify_webhooks.wsgi import signature_headers

TARGETS = {
    "a dict of exact names": (1.40, 1.25),
    "three standard headers": (1.55, 1.35),
    "ten mixed-case headers": (2.05, 1.68),
    "WSGI environ": (1.80, 1.50),
    "ASGI pairs": (2.25, 1.80),
}
BASE64_SECRET = "whsec_" + "Xl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl4="


def verify(table: Table, size: int, column: int) -> None:
    head = b'{"id":"evt_1","type":"ping","data":{"x":"'
    body = (head + b"y" * size)[: size - 3] + b'"}}'
    secret = Secret(SECRET, encoding="text")
    verifier = Verifier(secret)
    signed = sign(body, secret, id="evt_1")
    exact = {name.lower(): value for name, value in signed.items()}
    one = {"x-coffrify-signature": exact["x-coffrify-signature"]}
    three = {name: value for name, value in exact.items() if name.startswith("webhook-")}
    ten = {**AROUND, **signed}
    pairs = [(name.lower().encode(), value.encode()) for name, value in ten.items()]
    environ: dict[str, Any] = {f"HTTP_{n.upper().replace('-', '_')}": v for n, v in ten.items()}
    environ.update({f"wsgi.{number}": number for number in range(31 - len(environ))})
    joined, key = f"{exact['webhook-timestamp']}.".encode() + body, SECRET.encode()
    mac, text = hmac.digest(key, joined, "sha256"), body.decode()
    by_stripe = stripe.WebhookSignature.generate_signature_header(text, "a text secret")
    peer = standardwebhooks.Webhook(BASE64_SECRET)
    by_peer = sign(body, Secret(BASE64_SECRET, encoding="base64"))
    times = take_turns(
        {
            "floor": lambda: hmac.compare_digest(hmac.digest(key, joined, "sha256"), mac),
            "a dict of exact names": lambda: verifier.verify(body, one),
            "three standard headers": lambda: verifier.verify(body, three),
            "ten mixed-case headers": lambda: verifier.verify(body, ten),
            "WSGI environ": lambda: verifier.verify(body, signature_headers(environ)),
            "ASGI pairs": lambda: verifier.verify(body, pairs),
            "stripe": lambda: stripe.WebhookSignature.verify_header(
                text, by_stripe, "a text secret", 300
            ),
            "standardwebhooks": lambda: peer.verify(text, by_peer),
        }
    )
    for name, found in times.items():
        if name != "floor":
            target = TARGETS[name][column] if name in TARGETS else None
            table.row(f"verify {size} B, {name}", found / times["floor"], "x floor", target)


def receive(store: str, *observers: Observer) -> tuple[float, float]:
    """Return a delivery's us, and its ratio to `json.loads` and a call."""
    router = Router()

    @router.on("transfer.created")
    def handle(event: object) -> None:
        pass

    receiver = Receiver(SECRET, router=router, store=store, observers=observers)
    return beside_loads(lambda given: receiver.receive(*given), deliveries(6100), handle)


def slack_bolt() -> tuple[float, float]:
    """Return the same of Slack's library: it verifies and calls, without a claim or types."""
    key = b"a secret of text"
    app = App(
        signing_secret=key.decode(),
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id="T", bot_token="xoxb-1"),  # noqa: S106
        process_before_response=True,  # else it only begins to handle
    )

    @app.event("file_shared")
    def handle(event: object) -> None:
        pass

    def request(number: int) -> tuple[str, dict[str, str]]:
        event = {**json.loads(body_of(number)), "type": "file_shared"}
        whole = {"type": "event_callback", "team_id": "T", "event_id": f"Ev{number}"}
        body, now = json.dumps({**whole, "event": event}), str(int(time.time()))
        mac = hmac.digest(key, f"v0:{now}:{body}".encode(), "sha256").hex()
        signed = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": f"v0={mac}"}
        return body, {**AROUND, **signed}

    return beside_loads(
        lambda given: app.dispatch(BoltRequest(body=given[0], headers=given[1])),
        (request(number) for number in range(6100)),
        handle,
    )


def beside_loads(
    dispatch: Callable[[Any], object], source: Iterator[Any], handle: Any
) -> tuple[float, float]:
    """Return what a delivery takes in us, and as a ratio to `json.loads` and a call."""
    times, floors = list[float](), list[float]()
    for _ in range(61):
        some = [next(source) for _ in range(100)]
        started = time.process_time()
        for given in some:
            dispatch(given)
        between = time.process_time()
        for body, _headers in some:
            handle(json.loads(body))
        times.append(between - started)
        floors.append(time.process_time() - between)
    ratio = statistics.median(a / b for a, b in zip(times[1:], floors[1:], strict=True))
    return statistics.median(times[1:]) * 1e4, ratio


async def lag(store: str) -> list[float]:
    """Return for how long 1000 deliveries each kept the event loop from other work, in us."""
    router, found = Router(), list[float]()

    @router.on("transfer.created")
    async def handle(_event: object) -> None:
        await asyncio.sleep(0)

    receiver = Receiver(SECRET, router=router, store=store)
    over = asyncio.Event()

    async def beat() -> None:
        while not over.is_set():
            started = time.perf_counter()
            await asyncio.sleep(0)
            found.append((time.perf_counter() - started) * 1e6)

    some = list(deliveries(1100))
    for body, headers in some[:100]:
        await receiver.receive_async(body, headers)
    beating = asyncio.create_task(beat())
    for body, headers in some[100:]:
        await receiver.receive_async(body, headers)
    over.set()
    await beating
    return sorted(found)


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    table = Table("Stages of a delivery")
    for column, size in enumerate((300, 2048)):
        verify(table, size, column)
    body = body_of(1)
    times = take_turns({"loads": lambda: json.loads(body), "parse": lambda: parse(body)})
    table.row("parse 1.6 KB", times["parse"] / times["loads"], "x json.loads", 1.35)
    memory, ratio = receive("memory:")
    table.row("receive, memory", ratio, "x json.loads and a call", 5.7)
    table.row("receive, memory", memory, "us")
    facts, _ = receive("memory:", Facts(lambda _notice: None))
    table.row("receive, memory, an observer of facts alone", facts, "us")
    observed, _ = receive("memory:", lambda _notice: None)
    table.row("receive, memory, an observer of operations", observed, "us")
    slack, slack_ratio = slack_bolt()
    table.row("slack-bolt's dispatch", slack_ratio, "x json.loads and a call")
    table.row("slack-bolt's dispatch", slack, "us")
    sqlite, _ = receive(f"sqlite:///{Path.cwd()}/stages.db")
    table.row("receive, sqlite, beside memory", sqlite - memory, "us", 95)
    for store in ("memory:", f"sqlite:///{Path.cwd()}/lag.db"):
        lags = asyncio.run(lag(store))
        name = f"loop's lag over 1000 deliveries, {store.partition(':')[0]}"
        table.row(f"{name}, median", lags[len(lags) // 2], "us")
        table.row(f"{name}, 99.9 %", lags[int(len(lags) * 0.999)], "us")
    table.end()


if __name__ == "__main__":
    main()
