"""The Redis store on async clients, against a real Valkey."""

import asyncio
from itertools import count
from typing import Any

import pytest
import redis
import redis.asyncio
import uvloop
from tests.servers.switch import Switch
from tests.servers.valkey import Valkey
from tests.stores.test_contract import Clock, Clocked
from valkey.asyncio import Valkey as ValkeyClient

from coffrify_webhooks import ConfigurationError, Event, Receiver, Router, sign
from coffrify_webhooks.stores import AsyncStore
from coffrify_webhooks.stores.redis import AsyncRedisStore, RedisStore
from coffrify_webhooks.testing.store_contract import AsyncStoreContract

pytestmark = [
    pytest.mark.usefixtures("leftovers"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SECRET = "whsec_" + "ab" * 32
_numbers = count()


class Contract(AsyncStoreContract, Clocked):
    """The public suite, each test under a prefix of its own."""

    @pytest.fixture
    def async_store(self, clock: Clock, valkey: Valkey) -> AsyncStore:
        prefix = f"async {next(_numbers)}"
        return AsyncRedisStore(self.server(valkey), prefix=prefix, clock=clock)

    def server(self, valkey: Valkey) -> Any:
        return valkey.url


class TestURL(Contract):
    pass


def client_of(server: Valkey, **options: Any) -> redis.asyncio.Redis:
    return redis.asyncio.Redis(port=server.port, socket_timeout=3, **options)


def delivery(number: int = 1) -> tuple[bytes, dict[str, str]]:
    body = b'{"id": "evt_%d", "type": "ping"}' % number
    return body, sign(body, SECRET)


async def ignore(event: Event) -> None:
    """Do nothing."""


def receiver_on(store: Any) -> Receiver:
    router = Router()
    router.on("*", name="handler")(ignore)
    receiver = Receiver(SECRET, store=store, router=router)
    assert receiver.purge_schedule.is_due()  # on a loop of ours; the next one is an hour away
    return receiver


async def outcomes(receiver: Receiver, *numbers: int) -> list[str]:
    return [(await receiver.receive_async(*delivery(each))).outcome for each in numbers]


@pytest.fixture
def prefix() -> str:
    return f"async {next(_numbers)}"


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_client_of_the_applications_is_awaited(valkey: Valkey, prefix: str, kind: str) -> None:
    """`RedisStore` takes an async client of either package; both drivers of ours work."""
    module: Any = redis.asyncio.Redis if kind == "redis" else ValkeyClient
    client = module(port=valkey.port, socket_timeout=3)
    store: object = RedisStore(client, prefix=prefix)
    assert isinstance(store, AsyncRedisStore)
    receiver = receiver_on(store)
    assert asyncio.run(outcomes(receiver, 1, 1, 2)) == ["handled", "duplicate", "handled"]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(outcomes(receiver, 2, 3)) == ["duplicate", "handled"]
    assert receiver.receive(*delivery(1)).outcome == "duplicate"
    receiver.store.close()


def test_sync_and_async_share_what_they_know(valkey: Valkey, prefix: str) -> None:
    """What one form has handled is a duplicate for the other: they have the same scripts."""
    store = RedisStore(valkey.url, prefix=prefix)
    assert asyncio.run(outcomes(receiver_on(AsyncRedisStore(valkey.url, prefix=prefix)), 1)) == [
        "handled"
    ]
    assert receiver_on(store).receive(*delivery(1)).outcome == "duplicate"
    store.close()


def test_the_applications_client_stays_its_own(valkey: Valkey, prefix: str) -> None:
    """Closing the store leaves the application's client and its connections open."""

    async def use() -> None:
        async with client_of(valkey) as client:
            await client.ping()
            store = AsyncRedisStore(client, prefix=prefix)
            await store.claim("k", "d", 60.0)
            await store.close()
            assert await client.ping()

    asyncio.run(use())


def test_a_server_that_stops_answering(prefix: str) -> None:
    """While the server is stopped a delivery is 503; afterwards each is handled."""
    with Valkey() as server:
        store = AsyncRedisStore(server.url, prefix=prefix, timeout=0.5)
        receiver = receiver_on(store)

        async def deliver() -> list[str]:
            found = await outcomes(receiver, 1)
            server.pause()
            try:
                async with asyncio.timeout(60):  # else for ever
                    found += await outcomes(receiver, 2, 2)
            finally:
                server.resume()
            return found + await outcomes(receiver, 3, 3, 1)

        found = asyncio.run(deliver())
    assert found == ["handled", *["unavailable"] * 2, "handled", "duplicate", "duplicate"]


def test_a_server_that_is_away_and_comes_back(valkey: Valkey, prefix: str) -> None:
    """Connections that died are not used: the next delivery reaches the server again."""
    with Switch(valkey.port) as switch:
        url = valkey.url.replace(str(valkey.port), str(switch.port))
        receiver = receiver_on(AsyncRedisStore(url, prefix=prefix))

        async def deliver() -> list[str]:
            found = await outcomes(receiver, 1)
            target, switch.target = switch.target, 0
            switch.cut()
            found += await outcomes(receiver, 2)
            switch.target = target
            return found + await outcomes(receiver, 2, 2, 1)

        found = asyncio.run(deliver())
    assert found == ["handled", "unavailable", "handled", "duplicate", "duplicate"]


def test_an_async_store_after_a_failover_of_valkey(prefix: str) -> None:
    """A server that became a replica is 503 once; the next delivery reaches the new master."""
    with Valkey() as first, Valkey() as second, Switch(first.port) as switch:
        old = redis.Redis(port=first.port)
        receiver = receiver_on(AsyncRedisStore(f"redis://127.0.0.1:{switch.port}/0", prefix=prefix))

        async def deliver() -> list[str]:
            found = await outcomes(receiver, 1)
            old.replicaof("127.0.0.1", second.port)
            switch.target = second.port
            return found + await outcomes(receiver, 2, 2, 2)

        assert asyncio.run(deliver()) == ["handled", "unavailable", "handled", "duplicate"]
        old.close()


def test_a_pool_of_one_connection_that_is_taken(valkey: Valkey, prefix: str) -> None:
    """Deliveries beyond the pool's connections are 503, and handled when they come again."""
    receiver = receiver_on(AsyncRedisStore(client_of(valkey, max_connections=1), prefix=prefix))

    async def deliver() -> list[str]:
        await outcomes(receiver, 0)
        at_once = await asyncio.gather(*(outcomes(receiver, each) for each in range(1, 9)))
        assert {outcome for [outcome] in at_once} <= {"handled", "unavailable"}
        return await outcomes(receiver, 0)

    assert asyncio.run(deliver()) == ["duplicate"]


@pytest.mark.parametrize(
    ("client", "message"),
    [
        (lambda: redis.asyncio.Redis(socket_timeout=None), "socket_timeout"),
        (lambda: redis.asyncio.Redis(socket_timeout=3, decode_responses=True), "decode_responses"),
        (lambda: redis.Redis(socket_timeout=3), "redis.asyncio or valkey.asyncio"),
        (object, "a URL or a client"),
    ],
)
def test_an_unsuitable_client_is_refused_by_the_async_store(client: Any, message: str) -> None:
    """What would hang, or is sync, is told when the store is made."""
    with pytest.raises(ConfigurationError, match=message):
        AsyncRedisStore(client())


def test_greenlet_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without greenlet the error names the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "greenlet", None)
    with pytest.raises(ConfigurationError, match=r"coffrify-webhooks\[redis-async\]"):
        AsyncRedisStore("redis://127.0.0.1:1")


def test_the_repr_of_an_async_redis_store_hides_the_password(valkey: Valkey) -> None:
    """The repr shows where it is, and no password."""
    store = AsyncRedisStore("redis://:hush@127.0.0.1:1/0")
    assert "hush" not in repr(store)
    assert "127.0.0.1" in repr(store)
