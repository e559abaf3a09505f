"""What a crash reporter keeps of an error: the locals of each frame, what caused it; no secret."""

import gc
import importlib
import logging
import os
import stat
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import StaticPool, create_engine
from tests.crash_reports import assert_hidden, shown_by

from coffrify_webhooks import (
    ConfigurationError,
    Receiver,
    Router,
    Secret,
    Verifier,
    asgi,
    parse,
    sign,
    verify,
    wsgi,
)
from coffrify_webhooks.endpoint import endpoint
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.http.url_path import UrlPath
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.url import place_of

HIDDEN = "5ec3e7" * 11
SECRET = f"whsec_{HIDDEN}"
PAYLOAD = "a-file-name-nobody-may-read"
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'
PASSWORD = "hunter2hunter2"
URL = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"


def source_of(answer: Any) -> Callable[[], Any]:
    return lambda: answer


STALE = sign(BODY, SECRET, timestamp=1)
BAD: dict[str, Any] = {
    "in quotes": f'"{SECRET}"',
    "with a version": f"v1,{SECRET}",
    "an API key": f"cof_live_{HIDDEN}",
    "with a blank": f"{SECRET[:20]} {SECRET[20:]}",
    "surrogates": f"{SECRET}\ud800",
    "a mapping": {"acme": SECRET},
    "text in a list of lists": [[SECRET]],
    "good and bad": [SECRET, f"'{SECRET}'"],
    "characters": list(SECRET),
    "bytes": SECRET.encode(),
}


def calls() -> Iterator[Any]:
    """Every way in which an error of ours leaves a call that was given a secret."""
    for name, given in BAD.items():
        yield pytest.param(lambda g=given: verify(BODY, STALE, g), id=f"verify, {name}")
        yield pytest.param(lambda g=given: Verifier(g), id=f"Verifier, {name}")
        yield pytest.param(lambda g=given: Receiver(g, store="memory:"), id=f"Receiver, {name}")
        yield pytest.param(
            lambda g=given: verify(BODY, STALE, source_of(g)), id=f"callable, {name}"
        )
        yield pytest.param(
            lambda g=given: endpoint({"SECRETS": g}, folder=Path(), kind=Receiver),
            id=f"settings, {name}",
        )
        if isinstance(given, str):
            yield pytest.param(lambda g=given: sign(BODY, g), id=f"sign, {name}")
            yield pytest.param(lambda g=given: Secret(g), id=f"Secret, {name}")
    good = {
        "stale": lambda: verify(BODY, STALE, SECRET),
        "no headers": lambda: verify(BODY, {}, SECRET),
        "another body": lambda: verify(b"x", sign(BODY, SECRET), [SECRET]),
        "no bytes": lambda: verify("x", {}, SECRET),  # type: ignore[arg-type]
        "tolerance": lambda: verify(BODY, {}, SECRET, tolerance=0),
        "not hex": lambda: Secret(f"{SECRET}z", encoding="hex"),
        "not_after": lambda: Secret(SECRET, not_after="soon"),
        "sign's id": lambda: sign(BODY, SECRET, id="a.b"),
        "sign's body": lambda: sign(5, SECRET),  # type: ignore[arg-type]
        "misspelt secrets": lambda: Receiver(secret=SECRET),  # type: ignore[arg-type]
        "unknown option": lambda: Receiver(SECRET, tolerence=5),  # type: ignore[arg-type]
        "wrong option": lambda: Receiver(SECRET, lease=0, store="memory:"),
        "wrong store": lambda: Receiver(SECRET, store="mongodb://x"),
        "no settings": lambda: endpoint([SECRET], folder=Path(), kind=Receiver),
        "a misspelt setting": lambda: endpoint({"SECERTS": SECRET}, folder=Path(), kind=Receiver),
        "a wrong setting": lambda: endpoint(
            {"SECRETS": SECRET, "LEASE": 0}, folder=Path(), kind=Receiver
        ),
    }
    yield from (pytest.param(call, id=name) for name, call in good.items())
    wrong: Any = SECRET
    nothing: Any = None
    flask = Flask("shop")
    flask.config["COFFRIFY_WEBHOOKS"] = wrong
    yield pytest.param(lambda: CoffrifyWebhooks(flask), id="no settings of Flask")
    for name, call in {
        "Flask": lambda given: CoffrifyWebhooks(Flask("shop"), given),
        "Starlette": webhook_route,
        "FastAPI": webhook_router,
        "ASGI": lambda given: asgi.CoffrifyWebhooksMiddleware(nothing, given),
        "WSGI": lambda given: wsgi.CoffrifyWebhooksMiddleware(Flask("shop"), given),
    }.items():
        yield pytest.param(lambda call=call: call(wrong), id=f"no receiver, {name}")


@pytest.mark.parametrize("call", list(calls()))
def test_no_frame_of_ours_holds_a_secret(call: Callable[[], object]) -> None:
    """Whatever error leaves a call with secrets, no frame, cause or context of it shows them."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any: what it holds is the claim
        call()
    assert_hidden(raised.value, HIDDEN, HIDDEN[:20])


OPTIONS = ["store", "dispatcher", "tolerance", "max_body", "lease", "strict", "handlers"]
OPTIONS += ["retention", "keep_body", "retries", "lost_after", "schemes", "events", "router"]


@pytest.mark.parametrize("option", [*OPTIONS, "observers", "clock"])
@pytest.mark.parametrize("secret", [SECRET, HIDDEN, "correct-horse-battery-staple"])
def test_a_secret_as_another_option_is_not_quoted(option: str, secret: str) -> None:
    """A secret that was given in the wrong place is refused without being repeated."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        Receiver(SECRET, **dict[str, Any]({"store": "memory:", option: secret}))
    error: BaseException | None = raised.value
    while error is not None:
        assert secret[:20] not in f"{error} {error!r} {vars(error)!r} {getattr(error, 'name', '')}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("how", ["raises", *BAD])
def test_what_is_logged_of_a_failing_callable(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Refused secrets are a 503, and a log record that says why, with no value and no frame."""
    line = 0

    def secrets() -> Any:
        nonlocal line
        known = BAD.get(how, SECRET)
        if how == "raises":
            line = importlib.import_module("sys")._getframe().f_lineno + 1
            raise OSError(f"the vault has {known}")
        return known

    router = Router()
    router.on("*")(print)
    receiver = Receiver(secrets, store="memory:", router=router)
    reply = receiver.receive(BODY, sign(BODY, SECRET))
    assert (reply.status, reply.outcome) == (503, "unavailable")
    assert reply.error is not None
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    shown = [*shown_by(reply.error), record.getMessage(), repr(vars(record)), reply.body.decode()]
    if record.exc_info and record.exc_info[1]:
        shown += shown_by(record.exc_info[1])
    assert [each for each in shown if HIDDEN[:20] in each] == []
    if how == "raises":
        assert f"OSError at test_crash_reports.py:{line}" in record.getMessage()
    else:
        assert len(record.getMessage()) > 120  # what is wrong with it is said


@pytest.mark.parametrize("body", [f'{{"{PAYLOAD}', f'"{PAYLOAD}"', f'{{"a":"{PAYLOAD}\xff"}}'])
@pytest.mark.parametrize("strict", [False, True])
def test_an_unreadable_body_is_not_kept_by_its_error(body: str, *, strict: bool) -> None:
    """No cause and no context of a PayloadError holds the payload."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any
        parse(body.encode("latin-1"), strict=strict)
    chain, error = [], raised.value
    while error is not None:
        chain += [repr(error), str(error), repr(vars(error)), repr(getattr(error, "doc", ""))]
        chain.append(repr(getattr(error, "object", "")))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    assert [each for each in chain if PAYLOAD in each] == []


# --- where else a secret or a payload may lie about ---------------------------------------------


SETTINGS = ("PATH", "HEALTH", "NAME", "HANDLERS", "EVENTS", "SCHEMES", "LEASE", "CAPTURE")


@pytest.mark.parametrize("misplaced", [SECRET, f"/{SECRET}", [SECRET]])
@pytest.mark.parametrize("option", SETTINGS)
def test_a_secret_in_the_place_of_a_setting_is_in_no_frame(option: str, misplaced: Any) -> None:
    """Whichever setting it was given as."""
    settings = {"SECRETS": SECRET, "STORE": "memory:", option: misplaced}
    with pytest.raises(ConfigurationError) as raised:
        endpoint(settings, folder=Path(), kind=Receiver)
    assert_hidden(raised.value, HIDDEN[:20])


@pytest.mark.parametrize("option", ["name", "handlers", "events", "schemes", SECRET])
def test_a_secret_in_the_place_of_an_option_is_in_no_frame(option: str) -> None:
    """As an option that takes a text, and as the name of one."""
    with pytest.raises(ConfigurationError) as raised:
        Receiver(SECRET, store="memory:", **dict[str, Any]({option: SECRET}))
    assert_hidden(raised.value, HIDDEN[:20])
    with pytest.raises(ConfigurationError) as raised:
        endpoint({"SECRETS": SECRET, option: SECRET}, folder=Path(), kind=Receiver)
    assert_hidden(raised.value, HIDDEN[:20])


@pytest.mark.parametrize("path", [SECRET, f"/{SECRET}<", [SECRET]])
def test_a_secret_as_a_path_is_not_quoted(path: Any) -> None:
    """It is refused without being repeated."""
    with pytest.raises(ConfigurationError) as raised:
        UrlPath(path)
    assert HIDDEN[:20] not in f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize(
    "settings", [{"SECRETS": SECRET}, {"SECRETS": [SECRET, "short"]}, {"SECRETS": "7-short"}]
)
def test_the_config_of_flask_shows_no_secret(settings: dict[str, Any]) -> None:
    """`repr(app.config)`, as a debug page or a log has it, once the endpoint has been made."""
    app = Flask("shop")
    app.config["COFFRIFY_WEBHOOKS"] = {**settings, "STORE": f"redis://:{PASSWORD}@127.0.0.1:1"}
    CoffrifyWebhooks(app)
    assert not any(each in repr(app.config) for each in (HIDDEN[:20], "7-short", PASSWORD))


@pytest.mark.parametrize("make", [SQLiteStore, lambda path: SQLStore(f"sqlite:///{path}")])
def test_a_sqlite_store_is_for_its_owner_alone(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """The file and those beside it are 0600; the mode of one that was there is left alone."""
    before = os.umask(0o022)
    try:
        (tmp_path / "link.db").symlink_to(tmp_path / "linked" / "target.db")
        (tmp_path / "linked").mkdir()
        for path in (tmp_path / "new.db", tmp_path / "shared.db", tmp_path / "link.db"):
            if path.name == "shared.db":
                path.touch(0o660)
                path.chmod(0o660)
            store = make(path)
            store.claim("k" * 64, "d", 60)
            there = path.resolve()
            modes = {
                stat.S_IMODE(each.stat().st_mode) for each in there.parent.glob(f"{there.name}*")
            }
            assert modes == {0o660 if path.name == "shared.db" else 0o600}
            store.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://a:b@localhost/x", "postgres://c:d@127.0.0.1:5432/x", True),
        ("postgresql+psycopg2://a@h/x", "postgresql://b@h/x", True),
        ("postgresql://h/x", "postgresql://h/y", False),
        ("mysql://h/x", "mariadb://h:3306/x", True),
        ("redis://h", "valkey://h:6379/0", True),
        ("redis://h/1", "redis://h/2", False),
        ("sqlite:///a.db", "sqlite:///./a.db", True),
        ("sqlite:///a.db", "sqlite:///b.db", False),
        ("redis://h/3", "redis://h?db=3", True),
        ("redis://h/3", "redis://h/4?db=3", True),
        ("postgresql:///x?host=h", "postgresql://H./x", True),
        ("postgresql://h/x?options=-csearch_path%3Da", "postgresql://h/x", False),
    ],
)
def test_a_place_is_one_however_it_is_written(one: str, other: str, *, same: bool) -> None:
    """Two URLs of one database or server are the same place."""
    assert (place_of(one) == place_of(other)) is same
    assert "b@" not in place_of(one)


# --- two endpoints ------------------------------------------------------------------------------


def test_two_endpoints_of_one_name_on_one_store_are_refused(tmp_path: Path) -> None:
    """Each would take the other's events for duplicates; a name each, or one secret, is fine."""
    url = f"sqlite:///{tmp_path}/shared.db"
    first = Receiver(SECRET, store=url)
    again = Receiver([SECRET + "00", SECRET], store=SQLiteStore(tmp_path / "shared.db"))
    assert Receiver(SECRET, store=url).name == again.name == first.name
    for store in (url, f"sqlite:///{tmp_path}/./shared.db", first.store):
        with pytest.raises(Exception, match="give each endpoint its own name"):
            Receiver(f"whsec_{HIDDEN[::-1]}", store=store)
        Receiver(f"whsec_{HIDDEN[::-1]}", store=store, name="other")
    Receiver(lambda: "whatever-it-may-be", store=url)


@pytest.mark.parametrize("kind", ["engine", "engine in memory", "SQLStore", "redis", "valkey"])
def test_two_stores_of_one_place_are_seen_to_be_one(tmp_path: Path, kind: str) -> None:
    """Also where an engine or a client of the application's was given, and where none answers."""
    url = f"sqlite:///{tmp_path}/shared.db"
    made: dict[str, tuple[Any, Any]] = {
        "engine": (SQLStore(create_engine(url)), SQLStore(create_engine(url))),
        "SQLStore": (SQLStore(url), SQLiteStore(tmp_path / "shared.db")),
    }
    memory = create_engine("sqlite://", poolclass=StaticPool)
    other = create_engine("sqlite://", poolclass=StaticPool)
    if kind == "engine in memory":
        made[kind] = SQLStore(memory), SQLStore(memory)
    if kind in ("redis", "valkey"):
        client = Redis(port=1, db=3, socket_timeout=1)
        made[kind] = RedisStore(client), RedisStore(f"{kind}://u:{PASSWORD}@localhost:1?db=3")
        assert RedisStore(client, prefix="other").place != made[kind][0].place
        client.close()
    first = Receiver(SECRET, store=made[kind][0])
    with pytest.raises(ConfigurationError, match="give each endpoint its own name"):
        Receiver(f"whsec_{HIDDEN[::-1]}", store=made[kind][1])
    Receiver(f"whsec_{HIDDEN[::-1]}", store=SQLStore(other))
    for store in (first.store, *(each for pair in made.values() for each in pair)):
        store.close()
    memory.dispose()
    other.dispose()


def test_a_receiver_that_is_gone_is_no_namesake(tmp_path: Path) -> None:
    """An application that an earlier test made, and dropped, does not count, in a cycle or not."""
    url = f"sqlite:///{tmp_path}/shared.db"
    gc.disable()
    try:
        holder = types.SimpleNamespace(receiver=Receiver(SECRET, store=url))
        holder.itself = holder
        del holder
        Receiver(f"whsec_{HIDDEN[::-1]}", store=url)
    finally:
        gc.enable()


def test_two_flask_extensions_at_one_path_are_refused() -> None:
    """The second would never be reached; at another path it is."""
    for path in ("/webhooks/coffrify", "/webhooks/coffrify/", "/other"):
        app = Flask(__name__)
        CoffrifyWebhooks(app, Receiver(SECRET, store="memory:"), path=path)
        with pytest.raises(Exception, match="has a receiver already"):
            CoffrifyWebhooks(app, Receiver(SECRET, store="memory:"), path=path.rstrip("/"))
        CoffrifyWebhooks(app, Receiver(SECRET, store="memory:"), path="/second")
