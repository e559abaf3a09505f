"""The redis store on a real Valkey: its clock, its death, what it refuses, and who it serves."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import redis
import redis.asyncio
import valkey as valkey_driver
from tests.in_time import in_time
from tests.servers.process import free_port
from tests.servers.valkey import Valkey
from tests.stores.phases import expected, run_phases
from tests.stores.test_contract import Clock, Clocked

from coffrify_webhooks import ConfigurationError, StoreUnavailable
from coffrify_webhooks.pipeline.identity import key_of
from coffrify_webhooks.stores import About, Filter, Store
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.redis_scripts import DROP, READ

ABOUT = About("main", "evt_1", "transfer.created", "{}")
_numbers = count()


def connect(url: str, driver: Any = redis.Redis, **options: Any) -> Any:
    """Return a client of the application's own."""
    return driver.from_url(url, **options)


@pytest.fixture
def prefix() -> str:
    """Give each test names of its own on the shared server."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def store(valkey: Valkey, prefix: str) -> Iterator[RedisStore]:
    made = RedisStore(valkey.url, prefix=prefix)
    yield made
    made.close()


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[Any]:
    with connect(valkey.url) as client:
        yield client


@pytest.fixture
def own() -> Iterator[Valkey]:
    """Give a server that the test may kill."""
    with Valkey() as server:
        yield server


class TestContract(Clocked):
    @pytest.fixture
    def store(self, valkey: Valkey, prefix: str, clock: Clock) -> Iterator[Store]:
        made = RedisStore(valkey.url, prefix=prefix, clock=clock)
        yield made
        made.close()


class TestContractByClient(Clocked):
    """The application's own client, of the other package and with another protocol."""

    @pytest.fixture
    def store(self, valkey: Valkey, prefix: str, clock: Clock) -> Iterator[Store]:
        with connect(valkey.url, valkey_driver.Valkey, protocol=3, socket_timeout=3) as client:
            yield RedisStore(client, prefix=prefix, clock=clock)


def make_store(url: str, prefix: str) -> Store:
    """Make the store of one process."""
    return RedisStore(url, prefix=prefix)


@pytest.mark.timeout(300)
def test_of_eight_processes_one_claims_each_id(valkey: Valkey, prefix: str) -> None:
    """Of eight processes that claim the same ids, each id goes to one, in each of six phases."""
    made = f"{__name__}:make_store"
    assert run_phases(made, valkey.url, prefix) == expected()


def test_keys_differ_where_ids_do() -> None:
    """Ids that differ by case, a trailing space or a NUL are different events."""
    ids = ["evt_a", "evt_A", "evt_a ", "evt_a\0", "evt_a\0b", " evt_a"]
    assert len({key_of("main", each) for each in ids}) == len(ids)


# --- the server's clock -----------------------------------------------------------------------


def eventually(happens: Callable[[], bool]) -> bool:
    """Wait for what a server's clock brings about."""
    give_up = time.monotonic() + 30
    while not happens():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def test_a_lease_ends_by_the_servers_clock(store: RedisStore) -> None:
    """A claim is another's once its lease is over, without anybody's clock but the server's."""
    store.claim("k", "d", 0.1)
    assert eventually(lambda: store.claim("k", "d", 60).status == "claimed")
    assert store.claim("k", "d", 60).status == "busy"


def test_an_endless_lease(store: RedisStore) -> None:
    """A lease may be infinite."""
    token = store.claim("k", "d", float("inf")).token
    assert store.claim("k", "d", 60).status == "busy"
    assert store.renew("k", token, float("inf"))
    assert store.claim("k", "d", 60).status == "busy"
    record = store.get("k")
    assert record is not None
    assert record.lease_until == float("inf")


def test_times_are_the_servers(
    store: RedisStore, raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on record is the server's time, to the microsecond, whatever ours says."""
    monkeypatch.setattr(time, "time", lambda: 0.0)

    def now() -> float:
        seconds, micros = raw.time()
        return float(seconds + micros / 1_000_000)

    before = now()
    token = store.claim("k", "d", 60).token
    claimed = store.get("k")
    store.done("k", token)
    done = store.get("k")
    assert claimed is not None
    assert done is not None
    assert before <= claimed.received_at == claimed.touched_at < done.touched_at <= now()
    assert claimed.lease_until == pytest.approx(claimed.received_at + 60, abs=1e-6)
    assert claimed.received_at != round(claimed.received_at, 3)


def test_a_clock_that_is_off_changes_nothing(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is a day ahead neither takes over claims nor purges early."""
    token = store.claim("k", "d", 60).token
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_400)
    assert store.claim("k", "d", 60).status == "busy"
    store.done("k", token)
    assert store.purge(3600) == 0
    assert store.find(Filter(idle=3600)) == []
    assert [record.key for record in store.find(Filter(recent=3600))] == ["k"]


def test_purge_by_the_servers_clock(store: RedisStore) -> None:
    """What is older than told is purged."""
    store.done("k", store.claim("k", "d", 60).token)
    assert eventually(lambda: store.purge(0.05) == 1)
    assert store.stats() == {}


# --- many events ------------------------------------------------------------------------------


def fill(store: RedisStore, number: int) -> list[str]:
    """Give the store many settled events; return their keys, the last first."""
    found = [f"k{each:04}" for each in range(number)]
    for key in found:
        token = store.claim(key, "d", 60, None, ABOUT).token
        store.failed(key, token, "why") if key.endswith("7") else store.done(key, token)
    return found[::-1]


@pytest.mark.parametrize("at_once", [True, False])
def test_find_over_many_pages(
    valkey: Valkey,
    prefix: str,
    at_once: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More events than a page are found in order, whether or not all were touched at one moment."""
    monkeypatch.setattr("coffrify_webhooks.stores.redis_store._PAGE", 50)
    ticks = count(1_700_000_000)
    store = RedisStore(valkey.url, prefix=prefix, clock=lambda: 1.0 if at_once else next(ticks))
    keys = fill(store, 160)
    assert [record.key for record in store.find(limit=200)] == keys
    failed = [record.key for record in store.find(Filter(statuses=("failed",)), limit=200)]
    assert failed == [key for key in keys if key.endswith("7")]
    paged: list[str] = []
    last = None
    while page := store.find(Filter(type="transfer.*"), limit=17, after=last):
        paged += [record.key for record in page]
        last = page[-1]
    assert paged == keys


def test_find_reads_no_event_twice_however_many_pages_there_are(
    valkey: Valkey, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events of one moment that an earlier page had, or of another key, are not read again."""
    store = RedisStore(valkey.url, prefix=prefix, clock=lambda: 1.0)
    keys = fill(store, 30)
    read: list[bytes] = []
    ask = store._ask

    def asked(script: Any, names: list[bytes], rest: Any) -> Any:
        read.extend(names[script.indexes :] if script is READ else [])
        return ask(script, names, rest)

    monkeypatch.setattr(store, "_ask", asked)
    last = None
    while page := store.find(limit=10, after=last):
        last = page[-1]
    assert len(read) == len(keys)
    read.clear()
    assert [record.key for record in store.find(Filter(key="k001"))] == keys[10:20]
    assert len(read) == 10


def test_purge_goes_past_what_it_spares(valkey: Valkey, prefix: str) -> None:
    """Old claims that are still live do not keep younger ones from being purged."""
    clock = Clock()
    store = RedisStore(valkey.url, prefix=prefix, clock=clock)
    for number in range(250):
        store.claim(f"live{number}", "d", 1e6)
    clock.advance(1)
    for number in range(120):
        store.claim(f"crashed{number}", "d", 1)
    clock.advance(100)
    assert [store.purge(10, limit=100), store.purge(10), store.purge(10)] == [100, 20, 0]
    assert store.stats() == {"claimed": 250}


def test_purge_drops_a_claim_whose_lease_is_just_over(valkey: Valkey, prefix: str) -> None:
    """A lease does not hold a moment longer for a purge than for a claim."""
    clock = Clock()
    store = RedisStore(valkey.url, prefix=prefix, clock=clock)
    store.claim("k", "d", 60)
    clock.advance(60)
    assert store.purge(30) == 1


def test_purge_spares_what_was_touched_meanwhile(store: RedisStore, prefix: str) -> None:
    """An event that changes between being found old and being dropped stays."""
    event = f"{{{prefix}}}:event:k".encode()
    token = store.claim("k", "d", 0).token
    assert store._run(DROP, [event], "claimed", 1000) == [0, 0]
    store.done("k", token)
    assert store._run(DROP, [event], "claimed", 0) == [0, 1]
    assert store.stats() == {"done": 1}


def test_what_the_server_dropped_is_no_trouble(store: RedisStore, raw: Any, prefix: str) -> None:
    """An event that the server evicted is neither found nor counted for long, nor in the way."""
    store.done("a", store.claim("a", "d", 60).token)
    store.done("b", store.claim("b", "d", 60).token)
    raw.delete(f"{{{prefix}}}:event:a")
    assert [record.key for record in store.find()] == ["b"]
    assert eventually(lambda: store.purge(0.01) == 1)
    assert store.stats() == {}


def test_nothing_expires_by_itself(store: RedisStore, raw: Any, prefix: str) -> None:
    """No name of ours has a TTL, so that no volatile-* policy can drop a claim."""
    store.failed("k", store.claim("k", "d", 60).token, "why", b"{}")
    names = raw.keys(f"{{{prefix}}}:*")
    assert len(names) == 3
    assert {raw.ttl(name) for name in names} == {-1}


def test_odd_text_comes_back(store: RedisStore) -> None:
    """Keys, digests and lone surrogates are what they were."""
    key = "caf\u00e9 \ud800\n\0:{}"
    token = store.claim(key, "\u00e9", 60, None, ABOUT._replace(id=key)).token
    store.checkpoint(key, token, "app:\ud800")
    store.failed(key, token, "\ud800 why")
    record = store.get(key)
    assert record is not None
    assert (record.key, record.id, record.digest, record.error) == (
        key,
        key,
        "\u00e9",
        "\ud800 why",
    )
    assert record.finished == {"app:\ud800"}
    assert store.find() == [record]


# --- a server that goes and comes back --------------------------------------------------------


def test_nothing_is_lost_by_a_kill(own: Valkey) -> None:
    """After kill -9 and a restart the server knows its claims, and no call of ours fails."""
    store = RedisStore(own.url)
    store.done("done", store.claim("done", "d", 60).token)
    token = store.claim("held", "d", 60).token
    own.kill()
    own.restart()
    assert store.claim("done", "d", 60).status == "done"
    assert store.claim("held", "d", 60).status == "busy"
    assert store.done("held", token)
    store.close()


def test_a_server_that_is_away(own: Valkey) -> None:
    """While the server is down every call is StoreUnavailable, and none is once it is back."""
    store = RedisStore(own.url)
    token = store.claim("k", "d", 60).token
    own.kill()
    calls: list[Callable[[], Any]] = [
        lambda: store.claim("other", "d", 60),
        lambda: store.done("k", token),
        lambda: store.purge(1),
        lambda: store.get("k"),
        store.find,
        store.stats,
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="ConnectionRefusedError"):
            call()
    own.restart()
    assert store.done("k", token)
    store.close()


def test_a_server_that_hangs(own: Valkey) -> None:
    """A server that accepts and never answers is StoreUnavailable in less than five seconds."""
    store = RedisStore(own.url)
    store.claim("k", "d", 60)
    own.pause()
    for fresh in (False, True):
        if fresh:
            store.close()
        with in_time(5), pytest.raises(StoreUnavailable):
            store.claim("other", "d", 60)
    own.resume()
    assert store.claim("k", "d", 60).status == "busy"
    store.close()


def test_a_port_that_never_answers(caplog: pytest.LogCaptureFixture) -> None:
    """A store made on what only accepts is made in less than five seconds, with a warning."""
    with socket.create_server(("127.0.0.1", 0)) as silent, in_time(5):
        store = RedisStore(f"redis://:hunter2@127.0.0.1:{silent.getsockname()[1]}/0")
    assert "each delivery tries again" in caplog.text
    assert "hunter2" not in caplog.text
    store.close()


def test_a_server_that_comes_later(caplog: pytest.LogCaptureFixture) -> None:
    """A store may be made before its server runs; it then serves, and looks at its version."""
    with Valkey() as server:
        server.kill()
        early, newer = (RedisStore(server.url, prefix=each) for each in ("a", "b"))
        assert caplog.text.count("ConnectionRefusedError") == 2
        with pytest.raises(StoreUnavailable):
            early.claim("k", "d", 60)
        server.restart()
        with connect(server.url) as raw:
            raw.set("{b}:version", "2")
        assert early.claim("k", "d", 60).status == "claimed"
        with pytest.raises(ConfigurationError, match="later version"):
            newer.claim("k", "d", 60)
        early.close()
        newer.close()


def test_dropped_connections_are_not_noticed(store: RedisStore, raw: Any) -> None:
    """A connection that the server closed while it was idle costs no call."""
    token = store.claim("k", "d", 60).token
    raw.client_kill_filter(_type="normal", skipme=True)
    assert store.done("k", token)


def test_forgotten_scripts_are_sent_again(store: RedisStore, raw: Any) -> None:
    """A server that has forgotten all scripts is told them anew."""
    token = store.claim("k", "d", 60).token
    raw.script_flush()
    assert store.checkpoint("k", token, "one")
    assert store.claim("k", "d", 60).status == "busy"


def test_a_claim_is_one_round_trip(store: RedisStore, raw: Any) -> None:
    """A claim, and each other step of an event, is one command."""
    store.done("before", store.claim("before", "d", 60).token)  # the scripts are known from now on

    def commands() -> int:
        return sum(
            stats["calls"]
            for name, stats in raw.info("commandstats").items()
            if name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_script|load")
        )

    before = commands()
    token = store.claim("k", "d", 60, None, ABOUT, b"{}").token
    assert commands() - before == 1
    store.claim("k", "d", 60)
    store.done("k", token)
    assert commands() - before == 3


def test_a_connection_says_nothing_but_scripts(valkey: Valkey, raw: Any, prefix: str) -> None:
    """No CLIENT, HELLO or SELECT: a proxy that shares connections, as twemproxy, hangs up there."""

    def of_sessions() -> dict[str, int]:
        named = ("cmdstat_client", "cmdstat_hello", "cmdstat_select")
        stats = raw.info("commandstats")
        return {name: each["calls"] for name, each in stats.items() if name.startswith(named)}

    before = of_sessions()
    store = RedisStore(valkey.url, prefix=prefix)
    assert store.done("k", store.claim("k", "d", 60).token)
    assert of_sessions() == before
    store.close()


def test_errors_say_nothing_of_the_server(store: RedisStore, raw: Any, prefix: str) -> None:
    """What is wrong on the server is StoreUnavailable, without the server's words."""
    raw.set(f"{{{prefix}}}:event:k", "secret")
    with pytest.raises(StoreUnavailable) as caught:
        store.claim("k", "d", 60)
    assert str(caught.value) == "the redis store failed (ResponseError)"
    assert store.claim("other", "d", 60).status == "claimed"


FORKED = """
import os, sys, threading
from coffrify_webhooks.stores.redis import RedisStore
store = RedisStore(sys.argv[1], prefix=sys.argv[2])
def use(store, name, rounds=200):
    for each in range(rounds):
        key = f"{name}{each}"
        assert store.done(key, store.claim(key, "d", 60).token)
        assert store.claim(key, "d", 60).status == "done"
stop = threading.Event()
def busy():
    while not stop.is_set():
        store.stats()
threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
children = []
for number in range(10):
    child = os.fork()
    if child == 0:
        try:
            use(store, f"child{number}-")
        except BaseException as error:
            print(error)
            os._exit(1)
        os._exit(0)
    children.append(child)
use(store, "parent-")
codes = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads:
    thread.join()
print(codes, store.stats(None))
store.close()
"""


def test_a_store_works_on_both_sides_of_a_fork(valkey: Valkey, prefix: str) -> None:
    """A store made before a fork, and in use by threads, serves parent and children."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED, valkey.url, prefix],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (run.stdout, run.stderr) == (f"{[0] * 10} {{'done': 2200}}\n", "")


def test_nothing_is_left_open(valkey: Valkey, prefix: str) -> None:
    """A store that nobody closed leaves nothing open that Python would warn of."""
    script = (
        "import sys; from coffrify_webhooks.stores.redis import RedisStore\n"
        "RedisStore(sys.argv[1], prefix=sys.argv[2]).claim('k', 'd', 60)\n"
        "kept = RedisStore(sys.argv[1], prefix=sys.argv[2]); kept.claim('k', 'd', 60)\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, valkey.url, prefix]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stderr == ""


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@host:port/0",
        "redis://:hunter2@host:99999",
        "redis://:hunter2@host/db",
        "redis://:hunter2@host/1/2",
        "redis://:hunter2#x@host/0",
        "redis://:hunter2/x@host/0",
        "redis://:hunter2@host:6379/0?db=zero",
        "redis://:hunter2@host:6379/0?unknown=1",
        "redis://:hunter2@host:6379/0?protocol=9",
        "redis://:hunter2@a..b:6379/0",
        "redis://:hunter2@[::1/0",
        "rediss://:hunter2@host/x",
        "valkey://:hunter2@host/x",
        "unix://",
        "unix:///",
        "http://:hunter2@host",
        "redis",
        "",
    ],
)
def test_an_unusable_url_is_refused_without_its_password(url: str) -> None:
    """A URL that cannot be used is a ConfigurationError that does not repeat the password."""
    with pytest.raises(ConfigurationError, match="the redis store's URL") as caught:
        RedisStore(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("scheme", ["redis", "valkey", "unix"])
def test_each_scheme_leads_to_the_server(valkey: Valkey, prefix: str, scheme: str) -> None:
    """Both names of the scheme, and a socket file, lead to the server."""
    url = valkey.unix_url if scheme == "unix" else valkey.url.replace("redis", scheme)
    store = RedisStore(url, prefix=prefix)
    assert store.claim("k", "d", 60).status == "claimed"
    store.close()


def test_tls_is_spoken(valkey: Valkey) -> None:
    """`rediss` and `valkeys` do not fall back to plain text."""
    for scheme in ("rediss", "valkeys"):
        store = RedisStore(valkey.url.replace("redis", scheme), timeout=0.5)
        with pytest.raises(StoreUnavailable):
            store.claim("k", "d", 60)


def test_repr_shows_no_password() -> None:
    """What the store shows of itself is where it is, not how to get in."""
    port = free_port()
    store = RedisStore(f"redis://user:hunter2@127.0.0.1:{port}/3?password=hunter3")
    assert repr(store) == f"RedisStore('redis://127.0.0.1:{port}/3', prefix='coffrify-webhooks')"


def test_a_missing_driver_is_named_with_its_install_command() -> None:
    """Without redis-py the error names the command that installs it."""
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from coffrify_webhooks import ConfigurationError\n"
        "from coffrify_webhooks.stores.redis import RedisStore\n"
        "try: RedisStore('redis://localhost')\n"
        "except ConfigurationError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 'pip install "coffrify-webhooks[redis]"' in run.stdout


@pytest.mark.parametrize("prefix", ["", "{a}", "a}"])
def test_a_prefix_that_breaks_the_hash_tag_is_refused(prefix: str) -> None:
    """A prefix that would break the hash tag is refused."""
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisStore("redis://localhost", prefix=prefix)


def test_an_unsafe_client_is_refused(valkey: Valkey) -> None:
    """A client that decodes, that may hang, or none at all is refused."""
    url = valkey.url
    clients: list[tuple[Any, str]] = [
        (connect(url, decode_responses=True), "decode_responses=False"),
        (connect(url, socket_timeout=None), "socket_timeout"),
        (object(), "not object"),
    ]
    for client, says in clients:
        with pytest.raises(ConfigurationError, match=says):
            RedisStore(client)


def test_a_later_version_is_refused(raw: Any, valkey: Valkey, prefix: str) -> None:
    """Data of a later version is left alone, and the error says to upgrade."""
    RedisStore(valkey.url, prefix=prefix).close()
    assert raw.get(f"{{{prefix}}}:version") == b"1"
    raw.set(f"{{{prefix}}}:version", "2")
    with pytest.raises(ConfigurationError, match=r"schema is 2.*upgrade"):
        RedisStore(valkey.url, prefix=prefix)


@pytest.mark.parametrize("name", ["version", "index:done", "index:conflict"])
def test_foreign_data_is_refused(raw: Any, valkey: Valkey, prefix: str, name: str) -> None:
    """Names of ours that hold something else are a ConfigurationError, and are left as they are."""
    raw.hset(f"{{{prefix}}}:{name}", "theirs", "1")
    with pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"):
        RedisStore(valkey.url, prefix=prefix)
    assert raw.keys(f"{{{prefix}}}:*") == [f"{{{prefix}}}:{name}".encode()]


def test_text_that_is_no_version_is_refused(raw: Any, valkey: Valkey, prefix: str) -> None:
    """A version that is no number is somebody else's."""
    raw.set(f"{{{prefix}}}:version", "blue")
    with pytest.raises(ConfigurationError, match="does not belong to coffrify-webhooks"):
        RedisStore(valkey.url, prefix=prefix)


def test_a_database_that_is_not_there(valkey: Valkey) -> None:
    """A database number that the server does not have is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="database number"):
        RedisStore(f"{valkey.url}77")


# --- passwords and permissions ----------------------------------------------------------------


@pytest.fixture(scope="module")
def locked() -> Iterator[Valkey]:
    """Give a server with a password and some users."""
    with Valkey("--requirepass", "hunter2") as server:
        yield server


def url_of(server: Valkey, login: str) -> str:
    return server.url.replace("//", f"//{login}@")


@pytest.mark.parametrize("login", ["", ":wrong-hunter3", "nobody:wrong-hunter3"])
def test_a_wrong_password_is_a_configuration_error(locked: Valkey, login: str) -> None:
    """No or a wrong password is a ConfigurationError that says where to look."""
    with pytest.raises(ConfigurationError, match="user and password") as caught:
        RedisStore(url_of(locked, login) if login else locked.url)
    assert "hunter" not in str(caught.value)


def test_with_its_password_a_server_serves(locked: Valkey) -> None:
    """With its password a server serves."""
    store = RedisStore(url_of(locked, ":hunter2"))
    assert store.claim("k", "d", 60).status == "claimed"
    store.close()


def test_missing_permission_names_what_suffices(locked: Valkey) -> None:
    """A user who may too little is refused with the rule to add, and with that rule may all."""
    with connect(url_of(locked, ":hunter2")) as raw:
        raw.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~theirs:*", "+@all")
        with pytest.raises(ConfigurationError, match="ACL SETUSER") as caught:
            RedisStore(url_of(locked, "app:pass"), prefix="acl")
        rule = str(caught.value).partition("ACL SETUSER name ")[2].split()
        raw.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pass", *rule)
    store = RedisStore(url_of(locked, "app:pass"), prefix="acl")
    token = store.claim("k", "d", 60, None, ABOUT, b"{}").token
    assert store.renew("k", token, 60)
    assert store.checkpoint("k", token, "one")
    assert store.release("k", token)
    assert store.done("k", store.claim("k", "d", 60).token)
    store.conflict("c", "d", ABOUT, b"{}")
    assert store.queued("q", store.claim("q", "d", 60).token)
    assert len(store.find(Filter(idle=0))) == 3
    assert store.stats() == {"done": 1, "conflict": 1, "queued": 1}
    assert store.forget("q")
    assert eventually(lambda: store.purge(0) > 0)
    store.close()


# --- advice -----------------------------------------------------------------------------------


def advice(caplog: pytest.LogCaptureFixture, *options: str) -> list[str]:
    """Make two stores on a server with these options; return what was logged."""
    with Valkey(*options) as server:
        for _ in range(2):
            RedisStore(server.url).close()
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    return [record.getMessage() for record in caplog.records]


def test_no_advice_without_need(caplog: pytest.LogCaptureFixture) -> None:
    """A server that keeps what it is told is used without a word."""
    assert advice(caplog) == []
    assert advice(caplog, "--maxmemory-policy", "volatile-lru") == []
    assert advice(caplog, "--appendonly", "no", "--save", "60 1") == []


def test_advice_on_eviction(caplog: pytest.LogCaptureFixture) -> None:
    """A policy that may drop claims is warned of, once, with the remedy."""
    [warning] = advice(caplog, "--maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in warning
    assert "noeviction" in warning


def test_advice_on_persistence(caplog: pytest.LogCaptureFixture) -> None:
    """A server that writes nothing down is warned of, once, with the remedy."""
    [warning] = advice(caplog, "--appendonly", "no")
    assert "appendonly" in warning


def test_no_advice_where_we_may_not_look(caplog: pytest.LogCaptureFixture) -> None:
    """A managed server without CONFIG is used without a word."""
    assert (
        advice(caplog, "--maxmemory-policy", "allkeys-lru", "--rename-command", "CONFIG", "") == []
    )


# --- clients of the application's own ---------------------------------------------------------


def test_closing_leaves_the_applications_client_open(valkey: Valkey, prefix: str) -> None:
    """A client handed over is not ours to close, and its password is not shown."""
    with redis.Redis(port=valkey.port, socket_timeout=3) as client:
        store = RedisStore(client, prefix=prefix)
        store.claim("k", "d", 60)
        pool: Any = client.connection_pool
        [pooled] = pool._available_connections
        store.close()
        assert pooled._sock is not None
        assert repr(store) == f"RedisStore('Redis', prefix={prefix!r})"


def test_on_a_cluster_all_names_are_in_one_slot() -> None:
    """On a cluster a cluster's client serves: all names of a store are in one slot."""
    options = ("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
    with Valkey(*options) as server:
        with connect(server.url) as raw:
            raw.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            assert eventually(lambda: raw.cluster("INFO")["cluster_state"] == "ok")
        client = connect(server.url, redis.RedisCluster, socket_timeout=3)
        store = RedisStore(client)
        token = store.claim("k", "d", 60, None, ABOUT, b"{}").token
        assert store.failed("k", token, "why")
        assert [record.key for record in store.find()] == ["k"]
        assert store.stats() == {"failed": 1}
        assert eventually(lambda: store.purge(0) == 1)
        client.close()
