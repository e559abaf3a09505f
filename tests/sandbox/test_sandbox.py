"""The sandbox in a program: what a user's own tests lean on."""

import asyncio
import functools
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from tests.budgets import budget
from tests.in_time import in_time
from tests.sandbox.hook import Hook

from coffrify_webhooks import Receiver, Router
from coffrify_webhooks.errors import ConfigurationError
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks_sandbox import Sandbox, SandboxError

SECRET = "whsec_" + "cd" * 32


def receiver(router: Router) -> Receiver:
    return Receiver(SECRET, store="memory:", router=router)


def flask_app(router: Router) -> Flask:
    app = Flask("own")
    CoffrifyWebhooks(app, receiver(router))
    return app


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_an_own_application_gets_what_is_triggered(coffrify_sandbox: Sandbox, kind: str) -> None:
    """An application is served on loopback, and gets what is triggered: with the fixture alone."""
    router, seen = Router(), list[str]()
    router.on("transfer.created")(lambda event: seen.append(event.data.id))
    app = (
        flask_app(router) if kind == "wsgi" else Starlette(routes=[webhook_route(receiver(router))])
    )
    coffrify_sandbox.serve(app, secret=SECRET)
    coffrify_sandbox.trigger("transfer.created", fields={"id": "tr_mine"})
    coffrify_sandbox.settle()
    assert seen == ["tr_mine"]


def test_time_stands_still(coffrify_sandbox: Sandbox) -> None:
    """What failed is tried again when time is let pass, and not before."""
    router, answers = Router(), [ValueError(), ValueError(), None]

    @router.on("*")
    def fails(event: object) -> None:
        error = answers.pop(0)
        if error:
            raise error

    coffrify_sandbox.serve(flask_app(router), secret=SECRET)
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    assert [d.status for d in coffrify_sandbox.deliveries()] == ["retrying"]
    coffrify_sandbox.skip(26)
    assert len(answers) == 2
    coffrify_sandbox.skip(8)
    assert len(answers) == 1
    coffrify_sandbox.run_out()
    [delivery] = coffrify_sandbox.deliveries()
    assert (delivery.status, len(coffrify_sandbox.attempts(delivery))) == ("success", 3)


def test_time_is_let_pass_step_by_step(coffrify_sandbox: Sandbox) -> None:
    """Each step ends with the next attempt, until nothing is left to be sent."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    [event] = coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    for made in range(2, 13):
        assert coffrify_sandbox.skip_to_next()
        [delivery] = coffrify_sandbox.deliveries(event)
        assert delivery.attempts == made
    assert delivery.status == "dead_letter"
    assert not coffrify_sandbox.skip_to_next()


def test_72_hours_in_a_moment(coffrify_sandbox: Sandbox) -> None:
    """All twelve attempts and the dead letter take a moment; a replay keeps the event's id."""
    router = Router()
    broken = threading.Event()
    broken.set()
    seen: list[str] = []

    @router.on("*")
    def fails(event: object) -> None:
        seen.append(str(getattr(event, "id", None)))
        if broken.is_set():
            raise ValueError

    coffrify_sandbox.serve(flask_app(router), secret=SECRET)
    [event] = coffrify_sandbox.trigger("transfer.expired")
    with in_time(10):
        coffrify_sandbox.run_out()
    [dead] = coffrify_sandbox.deliveries(status="dead_letter")
    assert seen == [event.id] * 12
    broken.clear()
    coffrify_sandbox.replay(dead)
    coffrify_sandbox.settle()
    assert seen == [event.id] * 13
    assert [d.status for d in coffrify_sandbox.deliveries(event)] == ["success", "dead_letter"]
    assert coffrify_sandbox.event(dead) == event


def test_rotation_reaches_a_receiver_with_both(coffrify_sandbox: Sandbox) -> None:
    """During a rotation's grace a receiver with the old, or with the new secret, is content."""
    router, seen = Router(), list[object]()
    router.on("*")(seen.append)
    endpoint = coffrify_sandbox.serve(flask_app(router), secret=SECRET)
    new = coffrify_sandbox.rotate_secret(endpoint)
    assert new.secret != SECRET
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(25 * 3600)
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    assert len(seen) == 1  # the old secret signs no more
    assert coffrify_sandbox.endpoint(endpoint).failure_count == 1


def test_deleting_an_endpoint_cancels_its_deliveries(coffrify_sandbox: Sandbox) -> None:
    """What is on its way to an endpoint is cancelled when it is deleted."""
    endpoint = coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    coffrify_sandbox.delete_endpoint(endpoint)
    assert [d.status for d in coffrify_sandbox.deliveries()] == ["cancelled"]
    with pytest.raises(SandboxError, match=endpoint.id):
        coffrify_sandbox.endpoint(endpoint)


def test_a_call_while_the_loop_is_closing_is_told_that_the_sandbox_was_closed() -> None:
    """Asyncio shuts its executor down first, and has no class for what it then raises."""
    with Sandbox() as sandbox:
        loop = sandbox._server.loop
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(20)
        with pytest.raises(SandboxError, match="was closed"):
            sandbox.trigger("ping")


def test_closed_while_another_thread_waits() -> None:
    """Who waits for a sandbox that is closed, or asks it later, is told so."""
    sandbox = Sandbox()
    held, free = threading.Event(), threading.Event()

    def hold(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        held.set()
        free.wait(30)
        start_response("200 OK", [])
        return [b""]

    sandbox.serve(hold)
    sandbox.trigger("ping")
    assert held.wait(30)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(sandbox.settle)
        while not waiting.running():
            time.sleep(0.001)
        sandbox.close()
        with pytest.raises(SandboxError, match="was closed"):
            waiting.result(30)
    free.set()
    with pytest.raises(SandboxError, match="was closed"):
        sandbox.deliveries()


def test_a_burst_is_handled_once_each_fifty_at_a_time(coffrify_sandbox: Sandbox) -> None:
    """Of many deliveries 50 are under way at a time; each is handled once, and none is lost."""
    router, seen = Router(), list[str]()
    going = most = 0
    full = asyncio.Event()

    @router.on("*")
    async def count(event: object) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        if going == 50:
            full.set()
        await asyncio.wait_for(full.wait(), 60)
        seen.append(str(getattr(event, "id", None)))
        going -= 1

    coffrify_sandbox.serve(Starlette(routes=[webhook_route(receiver(router))]), secret=SECRET)
    events = coffrify_sandbox.trigger("transfer.created", count=budget(200, 1000))
    coffrify_sandbox.settle(240)
    assert sorted(seen) == sorted(event.id for event in events)
    assert most == 50
    deliveries = coffrify_sandbox.deliveries()
    assert {d.status for d in deliveries} == {"success"}
    assert {len(coffrify_sandbox.attempts(d)) for d in deliveries[:50]} == {1}


MEMORY = """
import gc, tracemalloc
from coffrify_webhooks_sandbox import Sandbox

async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})

with Sandbox() as sandbox:
    sandbox.serve(application)

    def held(count):
        sandbox.trigger("transfer.created", count=count)
        sandbox.settle(240)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    held(COUNT)
    tracemalloc.start()
    first = held(COUNT)
    print(held(COUNT) - first)
"""


def test_memory_stays_flat_however_many_are_sent() -> None:
    """What was delivered is in the database alone; measured in a process of its own."""
    count = budget(50, 500)
    ran = subprocess.run(
        [sys.executable, "-c", MEMORY.replace("COUNT", str(count))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 2_000 * count


def test_wrong_type_and_data(coffrify_sandbox: Sandbox) -> None:
    """What cannot be triggered raises, and names what is wrong."""
    with pytest.raises(SandboxError, match=r"transfer\.created"):
        coffrify_sandbox.trigger("transfer.creatd")
    with pytest.raises(SandboxError, match=r"data\.id"):
        coffrify_sandbox.trigger("transfer.created", fields={"id": 5})
    with pytest.raises(SandboxError, match="no such place"):
        coffrify_sandbox.trigger("transfer.created", fields={"id.x": 5})
    assert coffrify_sandbox.deliveries() == []


def test_port_is_taken(coffrify_sandbox: Sandbox) -> None:
    """A port that is taken is a mistake with a remedy, and nothing is left behind."""
    port = int(coffrify_sandbox.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {port} .* is in use; choose another"):
        Sandbox(port=port)


def test_what_is_no_application_is_refused(coffrify_sandbox: Sandbox) -> None:
    """What is no application is refused."""
    with pytest.raises(ConfigurationError, match="WSGI or an ASGI"):
        coffrify_sandbox.serve("app")


def test_file_outlives_it(tmp_path: Path) -> None:
    """With a file, endpoints, schedule and key are there again; two at once are refused."""
    file = tmp_path / "sandbox.db"
    with Sandbox(db=file) as sandbox:
        key = sandbox.api_key
        endpoint = sandbox.create_endpoint("http://127.0.0.1:9/")
        sandbox.trigger("ping")
        sandbox.settle()
        sandbox.skip(3600)
        with pytest.raises(ConfigurationError, match="another sandbox"):
            Sandbox(db=file)
    with Sandbox(db=file) as sandbox:
        assert sandbox.api_key == key
        assert sandbox.endpoint(endpoint).url == endpoint.url
        [delivery] = sandbox.deliveries()
        attempts = sandbox.attempts(delivery)
        assert delivery.status == "retrying"
        assert delivery.next_at is not None
        assert delivery.next_at > attempts[-1].at  # time has not gone back
        sandbox.run_out()
        [delivery] = sandbox.deliveries()
        assert (delivery.status, len(sandbox.attempts(delivery))) == ("dead_letter", 12)


@pytest.mark.parametrize("content", [b"nonsense" * 1000, None])
def test_file_of_something_else(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not the sandbox's is left alone."""
    import sqlite3

    file = tmp_path / "other.db"
    if content is None:
        with sqlite3.connect(file) as other:
            other.execute("CREATE TABLE mine (a)")
        other.close()
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="--db FILE"):
        Sandbox(db=file)
    assert file.read_bytes() == before


def test_catalog_of_ones_own(tmp_path: Path) -> None:
    """A catalog file takes the place of the bundled one; an unreadable one is refused."""
    file = tmp_path / "catalog.json"
    file.write_text('{"data": [{"type": "shop.sold", "schema": {"required": ["sum"]}}]}')
    with Sandbox(catalog=file) as sandbox:
        [event] = sandbox.trigger("shop.sold", {"sum": 5})
        assert event.data == {"sum": 5}
        with pytest.raises(SandboxError, match="'sum' is a required property"):
            sandbox.trigger("shop.sold", {})


def test_72_hours_at_once_keep_the_schedule(coffrify_sandbox: Sandbox) -> None:
    """Letting 72 h pass at once makes every attempt when it is due, twelve in all."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    coffrify_sandbox.skip(72 * 3600)
    [delivery] = coffrify_sandbox.deliveries()
    assert (delivery.status, delivery.reason) == ("dead_letter", "all 12 attempts failed")
    assert len({attempt.at for attempt in coffrify_sandbox.attempts(delivery)}) == 12


@pytest.mark.parametrize("secret", ["s3cret", "whsec_nöt-hex", "xyz"])
def test_any_secret_signs_by_its_readings(coffrify_sandbox: Sandbox, secret: str) -> None:
    """A secret that is not hex signs by the readings that it has."""
    seen = list[object]()
    router = Router()
    router.on("*")(seen.append)
    app = Flask("own")
    CoffrifyWebhooks(app, Receiver(secret, store="memory:", router=router))
    coffrify_sandbox.serve(app, secret=secret)
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    assert len(seen) == 1


def test_secret_that_does_not_fit() -> None:
    """A secret that the sandbox's encoding cannot read is refused; so is an unknown encoding."""
    with Sandbox(encoding="hex") as sandbox:
        with pytest.raises(SandboxError, match="encoding is hex"):
            sandbox.create_endpoint("http://127.0.0.1:9/", secret="s3cret")
        with pytest.raises(SandboxError, match="empty"):
            sandbox.create_endpoint("http://127.0.0.1:9/", secret=" ")
    with pytest.raises(ConfigurationError, match="use one of every, hex"):
        Sandbox(encoding="octal")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf"), 1e7, "fast"])
def test_a_wrong_speed_is_refused_and_leaves_the_file_free(tmp_path: Path, speed: float) -> None:
    """A speed that time cannot pass at is refused, and the file is left free."""
    with pytest.raises(ConfigurationError, match="from 0 to 1000000"):
        Sandbox(db=tmp_path / "sandbox.db", speed=speed)
    with Sandbox(db=tmp_path / "sandbox.db"):
        pass


@pytest.mark.parametrize(
    ("count", "size", "says"),
    [
        (0, 1, "from 1 to 10000"),
        (10_001, 1, "from 1 to 10000"),
        (True, 1, "give a number"),
        (6000, 1, "10000 deliveries at once"),
        (1000, 200_000, "100,000,000 bytes at once"),
    ],
)
def test_too_much_at_once(coffrify_sandbox: Sandbox, count: int, size: int, says: str) -> None:
    """What would take too long, or too much room, is refused, and nothing of it is sent."""
    for port in (7, 9):
        coffrify_sandbox.create_endpoint(f"http://127.0.0.1:{port}/")
    with pytest.raises(SandboxError, match=says):
        coffrify_sandbox.trigger("transfer.created", fields={"id": "x" * size}, count=count)
    assert coffrify_sandbox.deliveries() == []


def test_time_adds_up(coffrify_sandbox: Sandbox, hook: Hook) -> None:
    """Whoever lets time pass while others do adds to theirs, however long a receiver takes."""
    hook.free.clear()
    coffrify_sandbox.create_endpoint(hook.url)
    coffrify_sandbox.trigger("ping")
    hook.wait_for(1)
    before = coffrify_sandbox._service.clock.now()
    threads = [threading.Thread(target=coffrify_sandbox.skip, args=(3600,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    hook.free.set()
    for thread in threads:
        thread.join()
    assert coffrify_sandbox._service.clock.now() - before == pytest.approx(3 * 3600)


def test_logging_is_left_alone() -> None:
    """A sandbox changes nothing of how the program logs."""
    import logging

    def state() -> object:
        names = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "httpx2")
        found = [logging.getLogger(name) for name in names]
        return [(each.level, list(each.handlers), each.propagate) for each in found]

    before = state()
    with Sandbox() as sandbox:
        sandbox.trigger("ping")
        assert state() == before
    assert state() == before


def test_application_that_does_not_start(coffrify_sandbox: Sandbox) -> None:
    """An application that fails at its start is told of, and leaves nothing open."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ConfigurationError, match="could not be started"):
        coffrify_sandbox.serve(broken)
    gc.collect()


def test_application_without_its_endpoint(coffrify_sandbox: Sandbox) -> None:
    """An application whose endpoint cannot be created is not served any longer."""
    before = threading.active_count()
    with pytest.raises(SandboxError):
        coffrify_sandbox.serve(Flask("app"), events=["no.such.type"])
    assert threading.active_count() <= before  # an idle one may have ended


@pytest.mark.parametrize("wrapped", ["partial", "function", "object"])
def test_wrapped_asgi_application(coffrify_sandbox: Sandbox, wrapped: str) -> None:
    """An ASGI application is known as one by its three parameters, however it is wrapped."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    class Wrapper:
        def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
            return app(scope, receive, send)

    forms: dict[str, Any] = {
        "partial": functools.partial(app),
        "function": lambda scope, receive, send: app(scope, receive, send),  # noqa: PLW0108
        "object": Wrapper(),
    }
    coffrify_sandbox.serve(forms[wrapped])
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.settle()
    assert [each.status for each in coffrify_sandbox.deliveries()] == ["success"]


def test_random_data_is_the_same_again() -> None:
    """What is made up comes out the same in each run, so that a test that fails fails again."""

    def made() -> object:
        with Sandbox() as sandbox:
            events = sandbox.trigger("transfer.created", count=5)
        return [json.loads(event.body)["data"]["id"] for event in events]

    assert made() == made()


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12, True])
def test_time_does_not_skip_back_or_too_far(coffrify_sandbox: Sandbox, seconds: float) -> None:
    """Time does not go back, nor beyond ten years at once."""
    with pytest.raises(SandboxError, match="from 0 to 10 years"):
        coffrify_sandbox.skip(seconds)


@pytest.mark.parametrize("anchor", ["[Infinity, 1, 1]", "[1, 2]", "nonsense", "[1e300, 1, 1]"])
def test_a_poisoned_time_in_the_file_is_replaced(tmp_path: Path, anchor: str) -> None:
    """A time in the file that cannot be gone on from is replaced."""
    import sqlite3

    file = tmp_path / "sandbox.db"
    with Sandbox(db=file):
        assert file.stat().st_mode & 0o777 == 0o600  # it holds secrets
    with sqlite3.connect(file) as other:
        other.execute("UPDATE settings SET value = ? WHERE name = 'anchor'", (anchor,))
    other.close()
    with Sandbox(db=file) as sandbox:
        endpoint = sandbox.create_endpoint("http://127.0.0.1:9/")
        assert abs(endpoint.created_at - time.time()) < 60


def test_host_that_is_allowed_no_more(tmp_path: Path) -> None:
    """What was allowed when a URL was saved is asked again for each attempt; a text is one host."""
    file = tmp_path / "sandbox.db"
    with Sandbox(db=file, allow_hosts="Web.Invalid") as sandbox:
        sandbox.create_endpoint("http://web.invalid/")
    with Sandbox(db=file) as sandbox:
        sandbox.trigger("ping")
        sandbox.settle()
        [delivery] = sandbox.deliveries()
        [attempt] = sandbox.attempts(delivery)
        assert delivery.status == "retrying"
        assert "--allow-host web.invalid" in attempt.error


def test_rotated_in_the_grace(coffrify_sandbox: Sandbox) -> None:
    """A second rotation is refused while the grace of the first lasts, and possible after it."""
    endpoint = coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.rotate_secret(endpoint, 2)
    with pytest.raises(SandboxError, match=r"until \d{4}-.* UTC") as raised:
        coffrify_sandbox.rotate_secret(endpoint)
    assert (raised.value.status, raised.value.code) == (409, "rotation_in_grace")
    coffrify_sandbox.skip(2 * 3600)
    coffrify_sandbox.rotate_secret(endpoint, 0)
    coffrify_sandbox.rotate_secret(endpoint)


def test_data_that_json_cannot_say(coffrify_sandbox: Sandbox) -> None:
    """NaN and Infinity are refused, and nothing is sent."""
    for wrong in (float("nan"), 1e400):
        with pytest.raises(SandboxError, match="NaN or Infinity") as raised:
            coffrify_sandbox.trigger("transfer.created", fields={"total_size": wrong})
        assert raised.value.status == 400
    assert coffrify_sandbox.deliveries() == []


def test_replay_of_all_dead_letters(coffrify_sandbox: Sandbox) -> None:
    """Every dead letter is replayed once, and again only if it died again since."""
    coffrify_sandbox.create_endpoint("http://127.0.0.1:9/")
    coffrify_sandbox.trigger("ping")
    coffrify_sandbox.run_out()
    service = coffrify_sandbox._service
    dead = [delivery.id for delivery in coffrify_sandbox.deliveries()]
    made = coffrify_sandbox._call(service.replay_dead)
    assert [delivery.replay_of for delivery in made] == dead[::-1]
    assert coffrify_sandbox._call(service.replay_dead) == []
    coffrify_sandbox.settle()
    coffrify_sandbox._call(lambda: service.retry(dead[0]))
    coffrify_sandbox.skip(72 * 3600)
    again = {d.replay_of for d in coffrify_sandbox._call(service.replay_dead)}
    assert again == {dead[0], *(delivery.id for delivery in made)}
