"""The audit trail: a row of the application's database for all that happens to a transfer."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

import sqlalchemy as sa

from coffrify_webhooks import Delivery, Event, on

engine = sa.create_engine(os.environ.get("DATABASE_URL", "sqlite:///audit.db"))
metadata = sa.MetaData()
entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("transfer", sa.String(255), nullable=False, index=True),
    sa.Column("what", sa.String(255), nullable=False),
)


@on("transfer.*", atomic=True)
def record(event: Event, delivery: Delivery, *, connection: sa.Connection) -> None:
    """Write one row; it is committed together with the note that the event was handled."""
    connection.execute(
        entries.insert().values(
            event_id=event.id or f"{delivery.timestamp}-{event.data.id}",
            signed_at=datetime.fromtimestamp(delivery.timestamp, UTC),
            transfer=event.data.id,
            what=event.type,
        )
    )


def newest(count: int = 100) -> Sequence[sa.Row[tuple[str, datetime, str, str]]]:
    """Return the rows that were signed last."""
    with engine.connect() as connection:
        asked = sa.select(entries).order_by(entries.c.signed_at.desc()).limit(count)
        return connection.execute(asked).all()


def page() -> str:
    """Return the trail as HTML. What came from outside is escaped."""
    rows = "".join(
        f"<tr><td>{row.signed_at:%Y-%m-%d %H:%M:%S}<td>{escape(row.what)}<td>{escape(row.transfer)}"
        for row in newest()
    )
    return f"<!doctype html><title>Transfers</title><h1>Transfers</h1><table>{rows}</table>"
