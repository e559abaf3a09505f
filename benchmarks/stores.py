"""What a claim costs: ours beside the bare driver call, on real servers, in one run.

    python benchmarks/stores.py

The floor is the bare driver with the very same statement, or script, on an open connection. The
second line is one that keeps nothing but the claim: the difference is what it costs to keep what
came as well (type, times, attempts, ...) where it can be found again.
Servers flush each commit to the disk, as they do by default. Rounds of all cases are interleaved;
the median round counts.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import psycopg
import pymysql
import redis
from tests.servers.mariadb import MariaDB
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

from coffrify_webhooks.stores import About, Store, open_store, redis_scripts
from coffrify_webhooks.stores.statements import Statements

ROUNDS = 15
CLAIMS = 150
ABOUT = About("default", "evt_1", "transfer.created", '{"id":"evt_1","scheme":"standard"}')
DIGEST = sha256(b"{}").hexdigest()
TABLE = (
    "CREATE TABLE bare (event_key VARCHAR(64) PRIMARY KEY, status VARCHAR(16), owner VARCHAR(64),"
    " lease_until DOUBLE PRECISION, attempts INTEGER, seen_at DOUBLE PRECISION)"
)
CLAIM = "INSERT INTO bare VALUES ({0}, 'claimed', {0}, {0}, 1, {0}) ON CONFLICT DO NOTHING"
SCRIPT = """
local v = redis.call('GET', KEYS[1])
if not v then redis.call('SET', KEYS[1], 'c:' .. ARGV[1], 'PX', ARGV[2]) return 'ok' end
return string.sub(v, 1, 1)"""

Claim = Callable[[str], object]
_numbers = count()


def ours(store: Store) -> Claim:
    """Claim as the receiver does."""
    return lambda key: store.claim(key, DIGEST, 60.0, None, ABOUT)


def row_of(key: str) -> dict[str, Any]:
    """The parameters of our own statement."""
    receiver, event_id, kind, delivery = ABOUT
    return {
        "key": key,
        "receiver": receiver,
        "id": event_id,
        "type": kind,
        "delivery": delivery,
        "digest": DIGEST,
        "lease": 60.0,
        "status": "claimed",
        "mine": "0" * 32,
        "body": None,
        "now": 1_790_000_000.0,
    }


def _sqlite(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def bare_sqlite(folder: str) -> Claim:
    """One statement of sqlite3 that keeps a claim and no more."""
    database = _sqlite(f"{folder}/bare.db")
    database.execute(f"{TABLE} WITHOUT ROWID")
    statement = CLAIM.format("?")
    return lambda key: database.execute(statement, (key, "owner", 1.0, 2.0)).rowcount


def same_sqlite(folder: str) -> Claim:
    """Our statement by sqlite3."""
    database = _sqlite(f"{folder}/same.db")
    sql = Statements("sqlite", pyformat=False, own_clock=True)
    for each in sql.tables():
        database.execute(each)
    return lambda key: database.execute(sql.insert, row_of(key)).rowcount


def same_postgres(url: str) -> Claim:
    """Our statement by psycopg."""
    connection = psycopg.connect(url, autocommit=True)
    statement = Statements("postgresql", pyformat=True, own_clock=False).insert.encode()
    return lambda key: connection.execute(statement, row_of(key)).rowcount


def same_mariadb(port: int) -> Claim:
    """Our statement by PyMySQL."""
    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="test", autocommit=True
    )
    cursor = connection.cursor()
    statement = Statements("mysql", pyformat=True, own_clock=False).insert
    return lambda key: cursor.execute(statement, row_of(key))


def bare_postgres(url: str) -> Claim:
    """One statement of psycopg that keeps a claim and no more."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(TABLE.encode())
    statement = CLAIM.format("%s").encode()
    return lambda key: connection.execute(statement, (key, "owner", 1.0, 2.0)).rowcount


def bare_mariadb(port: int) -> Claim:
    """One statement of PyMySQL that keeps a claim and no more."""
    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="test", autocommit=True
    )
    cursor = connection.cursor()
    cursor.execute(TABLE)
    statement = CLAIM.format("%s").replace("INSERT", "INSERT IGNORE").split(" ON ")[0]
    return lambda key: cursor.execute(statement, (key, "owner", 1.0, 2.0))


def same_valkey(client: Any, store: Any) -> Claim:
    """Our script by redis-py."""
    indexes = store._indexes[:3]
    what = '["default","evt_1","transfer.created"]'
    rest = ("", "0" * 32, 60.0, DIGEST, "claimed", "", what, ABOUT.delivery)
    return lambda key: client.evalsha(redis_scripts.CLAIM.sha, 4, *indexes, f"same{key}", *rest)


def run(cases: dict[str, Claim]) -> dict[str, float]:
    """Return the median time of one claim, in microseconds, by case."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, claim in cases.items():
            keys = [sha256(b"%d" % next(_numbers)).hexdigest() for _ in range(CLAIMS)]
            began = time.perf_counter()
            for key in keys:
                claim(key)
            times[name].append((time.perf_counter() - began) / CLAIMS * 1e6)
    return {name: median(found) for name, found in times.items()}


def table(title: str, cases: dict[str, Claim]) -> None:
    """Print each case as a multiple of the first."""
    found = run(cases)
    floor = next(iter(found.values()))
    print(f"\n{title}")
    for name, each in found.items():
        print(f"  {name:<44} {each:8.0f} us  {each / floor:5.2f} x")


def main() -> None:
    """Measure each store."""
    print("claims of new events, one process, by time")
    with tempfile.TemporaryDirectory() as folder:
        table(
            "sqlite, WAL, synchronous=NORMAL",
            {
                "bare sqlite3, the same statement": same_sqlite(folder),
                "bare sqlite3, a claim and no more": bare_sqlite(folder),
                "SQLiteStore": ours(open_store(f"sqlite:///{folder}/ours.db")),
                "SQLStore on sqlite": ours(open_store(f"sqlite+pysqlite:///{folder}/sql.db")),
            },
        )
    with Postgres(durable=True) as postgres:
        store = open_store(postgres.url)  # which makes the tables
        table(
            "PostgreSQL",
            {
                "bare psycopg, the same statement": same_postgres(postgres.url),
                "bare psycopg, a claim and no more": bare_postgres(postgres.url),
                "SQLStore": ours(store),
            },
        )
    with MariaDB(durable=True) as mariadb:
        store = open_store(mariadb.url)
        table(
            "MariaDB",
            {
                "bare PyMySQL, the same statement": same_mariadb(mariadb.port),
                "bare PyMySQL, a claim and no more": bare_mariadb(mariadb.port),
                "SQLStore": ours(store),
            },
        )
    with Valkey("--appendfsync", "everysec") as valkey:
        client: Any = redis.Redis.from_url(valkey.url)
        sha = client.script_load(SCRIPT)
        store = open_store(valkey.url)
        store.claim("0" * 64, DIGEST, 60.0)  # which loads the script
        table(
            "Valkey",
            {
                "bare redis-py, the same script": same_valkey(client, store),
                "bare redis-py, a claim and no more": lambda key: client.evalsha(
                    sha, 1, f"b{key}", "owner", 60_000
                ),
                "bare redis-py, SET NX PX": lambda key: client.set(key, "o", nx=True, px=60_000),
                "RedisStore": ours(store),
            },
        )


if __name__ == "__main__":
    main()
