"""Databases that schema version 1 made, frozen in v1/, open in the current version."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy

from coffrify_webhooks.stores import OrderedStore, Store
from coffrify_webhooks.stores.redis import RedisStore
from coffrify_webhooks.stores.sql import SQLStore
from coffrify_webhooks.stores.sqlite import SQLiteStore

V1 = Path(__file__).parent / "v1"
DIGEST = "d" * 64


def script(dialect: str) -> list[str]:
    return [text for text in (V1 / f"{dialect}.sql").read_text().split(";\n") if text.strip()]


@pytest.fixture(params=["sqlite", "sqlalchemy-sqlite", "postgresql", "mysql", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store on a database of version 1."""
    path = tmp_path / "v1.db"
    made: Store
    if "sqlite" in request.param:
        database = sqlite3.connect(path)
        for statement in script("sqlite"):
            database.execute(statement)
        database.commit()
        database.close()
        url = f"sqlite+pysqlite:///{path}"
        made = SQLiteStore(path) if request.param == "sqlite" else SQLStore(url)
    elif request.param == "redis":
        url = request.getfixturevalue("valkey").url
        client: Any = redis.Redis.from_url(url)
        client.delete(*client.keys("{v1}*"), "none")
        for words in json.loads((V1 / "redis.json").read_text()):
            client.execute_command(*(word.encode("latin-1") for word in words))
        client.close()
        made = RedisStore(url, prefix="v1")
    else:
        server = request.getfixturevalue("mariadb" if request.param == "mysql" else "postgres")
        url = server.database("version_1")
        driver = "mysql+pymysql" if request.param == "mysql" else "postgresql+psycopg"
        engine = sqlalchemy.create_engine(driver + url[url.index(":") :])
        with engine.begin() as connection:
            for statement in script(request.param):
                connection.exec_driver_sql(statement)
        engine.dispose()
        made = SQLStore(url)
    yield made
    made.close()


def test_what_version_1_kept_is_there(store: Store) -> None:
    """Every record of version 1 is read as it was."""
    assert store.stats() == dict.fromkeys(
        ("claimed", "conflict", "dead", "done", "failed", "queued"), 1
    )
    record = store.get("2" * 64)
    assert record is not None
    assert record[:6] == ("2" * 64, "default", "evt_2", "transfer.created", "failed", 2)
    assert record.received_at == 1790000000.5
    assert record.touched_at in (1790000000.5, 1790000001.25)
    assert record.finished == {"app:one"}
    assert record.error == "app:two raised ValueError at app.py:7"
    assert record.body == b"{}"


@pytest.mark.parametrize(
    ("key", "expected"),
    [("1", "done"), ("2", "claimed"), ("3", "claimed"), ("4", "queued"), ("5", "claimed")],
)
def test_what_version_1_knew_holds(store: Store, key: str, expected: str) -> None:
    """What was handled is not run again, what failed or crashed is free."""
    assert store.claim(key * 64, DIGEST, 60).status == expected


def test_version_1_can_be_written(store: Store) -> None:
    """The current version works on the tables of version 1."""
    token = store.claim("n" * 64, DIGEST, 60).token
    assert store.checkpoint("n" * 64, token, "app:one")
    assert store.done("n" * 64, token)
    assert store.claim("n" * 64, DIGEST, 60).status == "done"


def test_version_1_is_given_marks(store: Store) -> None:
    """A database that was made without marks keeps order in the current version."""
    assert isinstance(store, OrderedStore)
    lock = store.lock("m" * 64, 60)
    assert lock is not None
    assert store.lock("m" * 64, 60) is None
    assert store.unlock("m" * 64, lock.token, "1")
    again = store.lock("m" * 64, 60)
    assert again is not None
    assert again.state == "1"
