"""Real servers, each started once per test process and only if a test asks for it."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgres import Postgres
    from tests.servers.preloaded import Preloaded
    from tests.servers.valkey import Valkey


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    from tests.servers.postgres import Postgres

    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> "Iterator[MariaDB]":
    from tests.servers.mariadb import MariaDB

    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> "Iterator[Valkey]":
    from tests.servers.valkey import Valkey

    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def preloaded() -> "Iterator[Preloaded]":
    """Run the installed command, and what else needs its imports, without importing anew."""
    from tests.servers.preloaded import Preloaded

    imported = ("coffrify_webhooks.cli.group", "coffrify_webhooks_sandbox", "flask", "sqlalchemy")
    with Preloaded(*imported, "psycopg", "redis") as parent:
        yield parent


@pytest.fixture(scope="module")
def unhurried_doctor() -> Iterator[None]:
    """Let a search end by its steps: a busy machine may need more than its share of time."""
    from coffrify_webhooks.doctor import work

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "_SECONDS", 30.0)
        yield


@pytest.fixture(autouse=True)
def alone() -> None:
    """Let no receiver of an earlier test, such as that of Django's settings, be a namesake."""
    namesakes = sys.modules.get("coffrify_webhooks.stores.namesakes")
    if namesakes is not None:
        namesakes._receivers.clear()
