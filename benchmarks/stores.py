"""What a claim costs: ours beside the bare driver call, on real servers, in one run.

    python benchmarks/stores.py

The floor is the least that could do the same for a new event: one statement (or one script) of the
bare driver on an open connection, on a table with nothing but the claim. Ours keeps what came as
well (type, times, attempts, ...), in the same single round trip. Servers flush each commit to the
disk, as they do by default. Rounds of all cases are interleaved; the median round counts.
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

from coffrify_webhooks.stores import About, Store, open_store

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


def bare_sqlite(folder: str) -> Claim:
    """One statement of sqlite3, with the same journal."""
    database = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"{TABLE} WITHOUT ROWID")
    statement = CLAIM.format("?")
    return lambda key: database.execute(statement, (key, "owner", 1.0, 2.0)).rowcount


def bare_postgres(url: str) -> Claim:
    """One statement of psycopg."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute(TABLE.encode())
    statement = CLAIM.format("%s").encode()
    return lambda key: connection.execute(statement, (key, "owner", 1.0, 2.0)).rowcount


def bare_mariadb(port: int) -> Claim:
    """One statement of PyMySQL."""
    connection = pymysql.connect(
        host="127.0.0.1", port=port, user="root", database="test", autocommit=True
    )
    cursor = connection.cursor()
    cursor.execute(TABLE)
    statement = CLAIM.format("%s").replace("INSERT", "INSERT IGNORE").split(" ON ")[0]
    return lambda key: cursor.execute(statement, (key, "owner", 1.0, 2.0))


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
                "bare sqlite3, one statement": bare_sqlite(folder),
                "SQLiteStore": ours(open_store(f"sqlite:///{folder}/ours.db")),
                "SQLStore on sqlite": ours(open_store(f"sqlite+pysqlite:///{folder}/sql.db")),
            },
        )
    with Postgres(durable=True) as postgres:
        table(
            "PostgreSQL",
            {
                "bare psycopg, one statement": bare_postgres(postgres.url),
                "SQLStore": ours(open_store(postgres.url)),
            },
        )
    with MariaDB(durable=True) as mariadb:
        table(
            "MariaDB",
            {
                "bare PyMySQL, one statement": bare_mariadb(mariadb.port),
                "SQLStore": ours(open_store(mariadb.url)),
            },
        )
    with Valkey() as valkey:
        client: Any = redis.Redis.from_url(valkey.url)
        script = client.register_script(SCRIPT)
        sha = client.script_load(SCRIPT)
        table(
            "Valkey",
            {
                "bare redis-py, one script": lambda key: client.evalsha(sha, 1, key, "o", 60_000),
                "bare redis-py, register_script": lambda key: script([key], ["o", 60_000]),
                "bare redis-py, SET NX PX": lambda key: client.set(key, "o", nx=True, px=60_000),
                "RedisStore": ours(open_store(valkey.url)),
            },
        )


if __name__ == "__main__":
    main()
