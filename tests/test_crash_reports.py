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
from coffrify_webhooks.dispatch.dbos import DBOSDispatcher
from coffrify_webhooks.endpoint import endpoint
from coffrify_webhooks.fastapi import webhook_router
from coffrify_webhooks.flask import CoffrifyWebhooks
from coffrify_webhooks.starlette import webhook_route
from coffrify_webhooks.stores import open_store
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore
from coffrify_webhooks.stores.url import hide_passwords, place_of
from coffrify_webhooks.testing import deliver

HIDDEN = "5ec3e7" * 11
SECRET = f"whsec_{HIDDEN}"
PAYLOAD = "a-file-name-nobody-may-read"
BODY = b'{"id": "evt_1", "type": "ping", "data": {}}'
PASSWORD = "hunter2hunter2"
URL = f"postgresql://shop:{PASSWORD}@127.0.0.1:1/shop"


def shown_by(error: BaseException, seen: set[int] | None = None) -> Iterator[str]:
    """All that a crash reporter may keep of an error, and of those that led to it.

    The frames of this file are left out: they are the user's.
    """
    seen = set() if seen is None else seen
    if id(error) in seen:
        return
    seen.add(id(error))
    yield f"{error!r} {error} {vars(error)!r} {error.args!r}"
    yield from (repr(getattr(error, name, None)) for name in ("doc", "object", "obj", "name"))
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_filename != __file__:
            for name, value in frame.f_locals.items():
                yield f"{name} = {value!r}"
        trace = trace.tb_next
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from shown_by(other, seen)


def assert_hidden(error: BaseException, *texts: str) -> None:
    shown = list(shown_by(error))
    for text in texts:
        assert [each for each in shown if text in each] == []


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


@pytest.mark.parametrize(
    "url",
    [f"mongodb://a:{PASSWORD}@h/x", f"postgresql://a:{PASSWORD}@h:x/x", f"redis://:{PASSWORD}@h:x"],
)
def test_the_password_of_a_store_stands_in_no_frame(url: str) -> None:
    """An unusable URL is refused without its password, in the error and in every frame."""
    for call in (lambda: open_store(url), lambda: Receiver(SECRET, store=url)):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - any
            call()
        assert_hidden(raised.value, PASSWORD)


def test_the_password_of_an_engine_stands_in_no_frame() -> None:
    """An unusable URL of DBOS, given to the dispatcher or to a receiver."""
    url = f"postgresql://a:{PASSWORD}@[h"
    for call in (
        lambda: DBOSDispatcher(url),
        lambda: Receiver(SECRET, store="memory:", dispatcher=f"dbos+{url}"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            call()
        assert_hidden(raised.value, PASSWORD)


def test_the_password_in_a_url_that_does_not_answer_is_not_repeated() -> None:
    """The testing kit names host and path of a server that is not there."""
    with pytest.raises(ConfigurationError) as raised:
        deliver(f"http://shop:{PASSWORD}@127.0.0.1:1/hook", "ping", secret=SECRET)
    assert "http://127.0.0.1:1/hook" in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_settings_show_no_password() -> None:
    """URLs in a framework's settings are the same texts, and their repr hides the password."""
    settings = {"STORE": URL, "DISPATCHER": f"dbos+{URL}?password={PASSWORD}", "PATH": "/x"}
    assert hide_passwords(settings) is settings
    assert settings["STORE"] == URL
    assert PASSWORD not in repr(settings)
    assert "postgresql://***@127.0.0.1:1/shop" in repr(settings)
    for kept in ({"STORE": "memory:"}, {"STORE": None}, {"STORE": "sqlite:///a.db"}, {}, None):
        assert repr(hide_passwords(kept)) == repr(kept)


@pytest.mark.parametrize("make", [SQLiteStore, lambda path: SQLStore(f"sqlite:///{path}")])
def test_a_sqlite_store_is_for_its_owner_alone(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    """The file and those beside it are 0600; the mode of one that was there is left alone."""
    before = os.umask(0o022)
    try:
        for path in (tmp_path / "new.db", tmp_path / "shared.db"):
            if path.name == "shared.db":
                path.touch(0o660)
                path.chmod(0o660)
            store = make(path)
            store.claim("k" * 64, "d", 60)
            modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob(f"{path.name}*")}
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
