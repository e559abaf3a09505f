"""The databases that the tests' Django knows, filled in and migrated when a test wants one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import current_thread
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

if not settings.configured:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.django_settings"
    django.setup()

from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created

from coffrify_webhooks.stores.statements import EVENTS, MARKS
from coffrify_webhooks_django import DjangoStore
from coffrify_webhooks_django.session import _PASSING

__all__ = ["migrated", "named", "store_in"]


@contextmanager
def named(alias: str, **changes: object) -> Iterator[str]:
    """Let an alias of the settings be this database, in all threads, until the block ends."""
    chosen = connections.settings[alias]
    before = dict(chosen)
    opened: list[Any] = []

    def keep(*, connection: Any, **_: Any) -> None:
        # A thread of ours closes its own after each call; closed in the middle of one, it crashes.
        if connection.alias == alias and not current_thread().name.startswith(_PASSING):
            opened.append(connection.connection)

    connections[alias].close()
    connection_created.connect(keep)
    chosen.update(changes)
    try:
        yield alias
    finally:
        connection_created.disconnect(keep)
        connections[alias].close()
        for each in opened:  # those of threads that have ended
            with suppress(Exception):
                each.close()
        chosen.clear()
        chosen.update(before)


def store_in(alias: str, changes: dict[str, Any]) -> DjangoStore:
    """Return a store in this database, for the rest of the process."""
    connections.settings[alias].update(changes)
    return DjangoStore(alias)


_migrated: set[tuple[str, str]] = set()
_pattern = Path(connections.settings["default"]["NAME"]).with_name("pattern")


def _migrate(alias: str, where: Any) -> None:
    """Run the migrations; a new file gets a copy of what they made of the first."""
    is_new = alias == "file" and not Path(where).exists()
    if is_new and _pattern.exists():
        shutil.copyfile(_pattern, where)
        return
    call_command("migrate", database=alias, verbosity=0, skip_checks=True)
    if is_new:
        connections[alias].close()
        shutil.copyfile(where, _pattern)


@contextmanager
def migrated(alias: str, where: object, **changes: object) -> Iterator[str]:
    """Likewise, with our tables in it, empty; `where` is a file, or the URL of a database."""
    if alias == "file":
        changes["NAME"] = where
    else:
        url = urlsplit(str(where))
        changes |= {"NAME": url.path[1:], "HOST": url.hostname, "PORT": url.port}
        changes |= {"USER": url.username}
    with named(alias, **changes):
        if (alias, str(where)) not in _migrated:
            _migrate(alias, where)
            _migrated.add((alias, str(where)))
        with connections[alias].cursor() as cursor:
            for table in (EVENTS, MARKS):
                cursor.execute(f"DELETE FROM {table}")
        yield alias
