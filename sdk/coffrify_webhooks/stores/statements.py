"""The SQL behind every relational store, written once for SQLite, PostgreSQL, MySQL and MariaDB.

A claim is two steps, each one statement: insert, and where the event is known already, update it
if it may be taken. One statement is atomic everywhere, also without a transaction, and the number
of rows it changed tells who won.

There is one index beside the primary key, on status and touched_at, because a second one costs a
sixth of all that a claim does. What is old and what is new are the ends of it for each status:
`_merge_statuses` asks for these ends one by one, so that the statement costs the same however many
events are stored.
"""

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from .record import Status

__all__ = [
    "COLUMNS",
    "EVENTS",
    "MARKS",
    "MARK_COLUMNS",
    "SCHEMA",
    "VERSION",
    "Dialect",
    "Statements",
]

Dialect: TypeAlias = Literal["sqlite", "postgresql", "mysql"]

VERSION = 1
"""The version of the tables; a release refuses those of a later one."""
EVENTS = "coffrify_webhooks_events"
MARKS = "coffrify_webhooks_marks"
SCHEMA = "coffrify_webhooks_schema"
COLUMNS = (
    "event_key, receiver, event_id, event_type, status, attempts, received_at, touched_at, "
    "lease_until, digest, finished, error, delivery"
)

MARK_COLUMNS = "mark_key, token, lease_until, state, touched_at"

# SQLite has no server: its clock is ours.
_NOW: dict[Dialect, str] = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM statement_timestamp()) AS DOUBLE PRECISION)",
    # Not of NOW(): local time is ambiguous for an hour in autumn.
    "mysql": "(UNIX_TIMESTAMP() + MICROSECOND(NOW(6)) / 1000000e0)",
}
# asyncpg lets the server find out the parameters' types.
_OWN_NOW: dict[Dialect, str] = {"postgresql": "CAST(:now AS DOUBLE PRECISION)"}
# What decides is read of the primary: proxies that send reads to replicas, which may lag, know it.
_LATEST: dict[Dialect, str] = {"sqlite": "", "postgresql": "FOR UPDATE", "mysql": "FOR UPDATE"}
_TYPES: dict[Dialect, dict[str, str]] = {
    "sqlite": {"key": "TEXT", "short": "TEXT", "text": "TEXT", "bytes": "BLOB", "real": "REAL"},
    "postgresql": {
        "key": "VARCHAR(64)",
        "short": "VARCHAR(255)",
        "text": "TEXT",
        "bytes": "BYTEA",
        "real": "DOUBLE PRECISION",
    },
    "mysql": {
        "key": "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
        "short": "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "text": "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "bytes": "LONGBLOB",
        "real": "DOUBLE",
    },
}
_TAILS: dict[Dialect, str] = {
    "sqlite": "WITHOUT ROWID",
    "postgresql": "",
    "mysql": "ENGINE = InnoDB",
}
_STATUSES: tuple[Status, ...] = get_args(Status)
_PURGED: tuple[Status, ...] = ("done", "failed", "dead", "conflict", "claimed")
"""What may be dropped when it is old; an engine has the others."""
_NEWEST_FIRST = "ORDER BY touched_at DESC, event_key DESC"
_PARAMETER = re.compile(r":([a-z_]+[0-9]*)")


class Statements:
    """Each statement as text, its parameters as `:name`, or as `%(name)s` where `pyformat`.

    own_clock: the time is the parameter `now`, not the server's.
    """

    def __init__(self, dialect: Dialect, *, pyformat: bool, own_clock: bool) -> None:
        self.dialect: Dialect = dialect
        self._pyformat = pyformat
        now = _OWN_NOW.get(dialect, ":now") if own_clock else _NOW[dialect]
        # IGNORE would also cut a text that is too long for its column; `text.plain` cuts it before.
        insert = "INSERT IGNORE INTO" if dialect == "mysql" else "INSERT INTO"
        on_conflict = "" if dialect == "mysql" else "ON CONFLICT (event_key) DO NOTHING"
        self.insert: str = self._text(f"""
            {insert} {EVENTS} ({COLUMNS}, token, body)
            VALUES (:key, :receiver, :id, :type, :status, 1, {now}, {now},
                {now} + :lease, :digest, '', '', :delivery, :mine, :body) {on_conflict}""")
        # MySQL assigns from left to right: what looks at the old values comes first.
        self.take: str = self._text(f"""
            UPDATE {EVENTS} SET
                attempts = CASE WHEN status = 'dead' THEN 1
                    WHEN status = 'claimed' AND token = :token THEN attempts
                    ELSE attempts + 1 END,
                finished = CASE WHEN status = 'done' THEN '' ELSE finished END,
                body = CASE WHEN digest = :digest THEN COALESCE(:body, body) ELSE :body END,
                status = :status, token = :mine, lease_until = {now} + :lease, digest = :digest,
                delivery = :delivery, touched_at = {now}
            WHERE event_key = :key AND (
                status = 'failed' OR (status = 'dead' AND :token = '')
                OR (status = 'claimed' AND lease_until <= {now})
                OR (:worker = 1 AND (
                    status = 'queued' OR (status = 'running' AND lease_until <= {now})
                    OR (status = 'claimed' AND token = :token)))
                OR (:over = 1 AND status = 'done' AND digest <> :digest))""")
        self.look: str = self._text(f"""
            SELECT status, digest, finished, attempts FROM {EVENTS}
            WHERE event_key = :key {_LATEST[dialect]}""")
        self._prepare_for_holders(now)
        self._prepare_for_marks(now, insert, on_conflict.replace("event_key", "mark_key"))
        self.forget: str = self._text(f"DELETE FROM {EVENTS} WHERE event_key = :key")
        self.conflict: str = self._text(f"""
            {insert} {EVENTS} ({COLUMNS}, token, body)
            VALUES (:key, :receiver, :id, :type, 'conflict', 0, {now}, {now},
                0, :digest, '', '', :delivery, '', :body) {on_conflict}""")
        self._old = f"touched_at < {now} - :older_than AND lease_until <= {now}"
        self.old: str = self._merge_statuses(
            "event_key, touched_at", _PURGED, [self._old], "ORDER BY touched_at"
        )
        self.get: str = self._text(f"SELECT {COLUMNS}, body FROM {EVENTS} WHERE event_key = :key")
        self.stats: str = self._text(f"SELECT status, COUNT(*) FROM {EVENTS} GROUP BY status")
        self.bounded_stats: str = self._text(
            " UNION ALL ".join(
                f"SELECT '{status}', COUNT(*) FROM (SELECT 1 AS one FROM {EVENTS}"
                f" WHERE status = '{status}' LIMIT :most) AS {status}_ones"
                for status in _STATUSES
            )
        )
        self._idle = f"touched_at <= {now} - :idle"
        self._recent = f"touched_at >= {now} - :recent"

    def _prepare_for_holders(self, now: str) -> None:
        """Write the statements that count only under the token of a live claim."""
        mysql = self.dialect == "mysql"
        appended = "CONCAT(finished, :handler)" if mysql else "finished || :handler"
        held = "event_key = :key AND token = :token AND status IN ('claimed', 'running')"
        self.renew: str = self._text(f"""
            UPDATE {EVENTS} SET lease_until = {now} + :lease WHERE {held}""")
        self.finish: str = self._text(f"""
            UPDATE {EVENTS} SET finished = {appended}, lease_until = {now} + :lease
            WHERE {held}""")
        self.checkpoint: str = self._text(f"""
            UPDATE {EVENTS} SET finished = {appended} WHERE {held}""")
        self.done: str = self._text(f"""
            UPDATE {EVENTS} SET status = 'done', lease_until = 0, touched_at = {now}, error = '',
                body = NULL WHERE {held}""")
        self.queued: str = self._text(f"""
            UPDATE {EVENTS} SET status = 'queued', lease_until = 0, touched_at = {now},
                attempts = attempts - :untried, error = COALESCE(:error, error) WHERE {held}""")
        self.failed: str = self._text(f"""
            UPDATE {EVENTS} SET status = :status, lease_until = 0, touched_at = {now},
                error = :error, body = COALESCE(:body, body) WHERE {held}""")
        self.drop_untouched: str = self._text(f"""
            DELETE FROM {EVENTS} WHERE {held} AND finished = '' AND error = ''""")
        self.release: str = self._text(f"""
            UPDATE {EVENTS} SET status = 'failed', lease_until = 0 WHERE {held}""")

    def _prepare_for_marks(self, now: str, insert: str, on_conflict: str) -> None:
        """Write the statements about marks; a mark that is not locked has an empty token."""
        held = "mark_key = :mark AND token = :token"
        unlocked = f"token = '', lease_until = 0, touched_at = {now}"
        self.lock: str = self._text(f"""
            UPDATE {MARKS} SET token = :mine, lease_until = {now} + :lease, touched_at = {now}
            WHERE mark_key = :mark AND lease_until <= {now}""")
        self.insert_mark: str = self._text(f"""
            {insert} {MARKS} ({MARK_COLUMNS})
            VALUES (:mark, :mine, {now} + :lease, '', {now}) {on_conflict}""")
        self.look_at_mark: str = self._text(f"""
            SELECT state FROM {MARKS} WHERE mark_key = :mark AND token = :mine
            {_LATEST[self.dialect]}""")
        self.renew_lock: str = self._text(f"""
            UPDATE {MARKS} SET lease_until = {now} + :lease, state = COALESCE(:state, state)
            WHERE {held}""")
        self.move: str = self._text(f"""
            UPDATE {MARKS} SET state = :state, {unlocked} WHERE {held}""")
        self.unlock: str = self._text(f"UPDATE {MARKS} SET {unlocked} WHERE {held}")
        self.drop_mark: str = self._text(f"DELETE FROM {MARKS} WHERE {held}")
        self.drop_unmoved: str = self._text(f"DELETE FROM {MARKS} WHERE {held} AND state = ''")
        old = f"touched_at < {now} - :older_than AND lease_until <= {now}"
        self.old_marks: str = self._text(f"""
            SELECT mark_key FROM {MARKS} WHERE {old} ORDER BY touched_at LIMIT :limit""")
        self.purge_mark: str = self._text(f"""
            DELETE FROM {MARKS} WHERE mark_key = :mark AND {old}""")

    def purge(self, count: int) -> str:
        """Delete `count` keys, `:k0` and so on, unless they were touched since they were found."""
        keys = ", ".join(f":k{index}" for index in range(count))
        return self._text(
            f"DELETE FROM {EVENTS} WHERE event_key IN ({keys})"
            f" AND status IN ({_quote(_PURGED)}) AND {self._old}"
        )

    def find(self, wanted: "set[str]", statuses: "tuple[Status, ...]") -> str:
        """Select records by what is wanted of `Filter` and a place to go on from."""
        parts = {
            "receiver": "receiver = :receiver",
            "id": "event_id = :id",
            "key": "event_key >= :key AND event_key < :key_end",
            "type": "event_type = :type",
            "prefix": "SUBSTR(event_type, 1, :length) = :prefix",
            "idle": self._idle,
            "recent": self._recent,
            "after": "touched_at <= :touched_at"
            " AND (touched_at < :touched_at OR event_key < :after)",
        }
        found = [text for name, text in parts.items() if name in wanted]
        if not wanted & {"id", "key"}:  # which are few: these are looked up, then put in order
            return self._merge_statuses(COLUMNS, statuses or _STATUSES, found, _NEWEST_FIRST)
        if statuses:
            found.append(f"status IN ({_quote(statuses)})")
        return self._text(
            f"SELECT {COLUMNS} FROM {EVENTS} WHERE {' AND '.join(found)}"
            f" {_NEWEST_FIRST} LIMIT :limit"
        )

    def _merge_statuses(
        self, columns: str, statuses: Iterable[Status], conditions: list[str], order: str
    ) -> str:
        """Select the first rows of each status, as the index has them, and of these the first."""
        arms: list[str] = []
        for status in statuses:
            where = " AND ".join([f"status = '{status}'", *conditions])
            arms.append(
                f"SELECT {columns} FROM (SELECT {columns} FROM {EVENTS} WHERE {where}"
                f" {order} LIMIT :limit) AS {status}_ones"
            )
        return self._text(f"{' UNION ALL '.join(arms)} {order} LIMIT :limit")

    def tables(self) -> list[str]:
        """Create the tables, where they are missing."""
        types = _TYPES[self.dialect]
        index, inner = self._index(f"{EVENTS}_by_status", f"{EVENTS} (status, touched_at)")
        tail = _TAILS[self.dialect]
        events = f"""
            CREATE TABLE IF NOT EXISTS {EVENTS} (
                event_key {types["key"]} NOT NULL PRIMARY KEY,
                receiver {types["short"]} NOT NULL, event_id {types["short"]} NOT NULL,
                event_type {types["short"]} NOT NULL, status VARCHAR(16) NOT NULL,
                token VARCHAR(64) NOT NULL, lease_until {types["real"]} NOT NULL,
                attempts INTEGER NOT NULL, digest VARCHAR(64) NOT NULL,
                received_at {types["real"]} NOT NULL, touched_at {types["real"]} NOT NULL,
                finished {types["text"]} NOT NULL, error {types["text"]} NOT NULL,
                delivery {types["text"]} NOT NULL, body {types["bytes"]}{inner}) {tail}"""
        version = f"CREATE TABLE IF NOT EXISTS {SCHEMA} (version INTEGER NOT NULL PRIMARY KEY)"
        return [events, *index, *self.mark_tables(), version]

    def mark_tables(self) -> list[str]:
        """Create the table of marks, where it is missing."""
        types = _TYPES[self.dialect]
        index, inner = self._index(f"{MARKS}_by_touched_at", f"{MARKS} (touched_at)")
        marks = f"""
            CREATE TABLE IF NOT EXISTS {MARKS} (
                mark_key {types["key"]} NOT NULL PRIMARY KEY, token VARCHAR(64) NOT NULL,
                lease_until {types["real"]} NOT NULL, state {types["text"]} NOT NULL,
                touched_at {types["real"]} NOT NULL{inner}) {_TAILS[self.dialect]}"""
        return [marks, *index]

    def _index(self, name: str, columns: str) -> tuple[list[str], str]:
        """Return what makes an index, and what does so within the table's own statement."""
        if self.dialect == "mysql":
            return [], f", INDEX {name} {columns[columns.index('(') :]}"
        return [f"CREATE INDEX IF NOT EXISTS {name} ON {columns}"], ""

    def _text(self, statement: str) -> str:
        joined = " ".join(statement.split())
        return _PARAMETER.sub(r"%(\1)s", joined) if self._pyformat else joined


def _quote(statuses: Iterable[Status]) -> str:
    return ", ".join(f"'{status}'" for status in statuses)
