"""What befalls a database beside being killed."""

import psycopg
from tests.servers.postgres import Postgres

__all__ = ["demote"]


def demote(server: Postgres, database: str) -> None:
    """Let all sessions only read from now on, except those that begin later.

    So it is after a failover for whoever stays connected to the old primary.
    """
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in (
            f"ALTER DATABASE {database} SET default_transaction_read_only = off",
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        ):
            connection.execute(statement.encode())
