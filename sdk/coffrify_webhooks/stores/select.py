"""Which records fit a filter, and in which order; for stores whose database cannot tell."""

from .record import Filter, Record

__all__ = ["select"]


def select(
    found: list[Record], wanted: Filter, limit: int, after: Record | None, now: float
) -> list[Record]:
    """Return the records that fit, those touched last first."""
    place = None if after is None else (after.touched_at, after.key)
    fitting = [
        record
        for record in found
        if _fits(record, wanted, now) and (place is None or (record.touched_at, record.key) < place)
    ]
    fitting.sort(key=lambda record: (record.touched_at, record.key), reverse=True)
    return fitting[:limit]


def _fits(record: Record, wanted: Filter, now: float) -> bool:
    kind = wanted.type
    return (
        wanted.receiver in (None, record.receiver)
        and wanted.id in (None, record.id)
        and (wanted.key is None or record.key.startswith(wanted.key))
        and (kind is None or _is_type(record.type, kind))
        and (not wanted.statuses or record.status in wanted.statuses)
        and (wanted.idle is None or record.touched_at <= now - wanted.idle)
        and (wanted.recent is None or record.touched_at >= now - wanted.recent)
    )


def _is_type(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
