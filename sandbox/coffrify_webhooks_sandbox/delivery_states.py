"""The states of a delivery, as pure functions of its attempts and the time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .misbehaviors import misbehavior_of
from .schedule import ATTEMPTS, DISABLED_AFTER, is_over, next_attempt

if TYPE_CHECKING:
    from random import Random

    from .records import Delivery, Endpoint

__all__ = ["apply_result", "expire", "mark_sending", "requeue"]


_TOO_LATE = "72 h have passed since the first failure"


def mark_sending(delivery: Delivery) -> Delivery:
    """Return the delivery as it is during an attempt."""
    return replace(delivery, status="sending", next_at=None, attempts=delivery.attempts + 1)


def expire(delivery: Delivery, now: float) -> Delivery | None:
    """Return the delivery as a dead letter if the time for attempts is over, else None.

    This happens if the sandbox was off or the endpoint inactive for longer than that. It is not the
    endpoint's fault, so it does not count towards disabling it.
    """
    if not is_over(delivery.first_failed_at, now):
        return None
    return replace(delivery, status="dead_letter", next_at=None, reason=_TOO_LATE)


def apply_result(
    delivery: Delivery,
    endpoint: Endpoint,
    now: float,
    random: Random,
    *,
    success: bool,
) -> tuple[Delivery, Endpoint]:
    """Return delivery and endpoint after an attempt."""
    if success:
        endpoint = replace(endpoint, success_count=endpoint.success_count + 1, dead_in_a_row=0)
        return replace(delivery, status="success"), endpoint
    endpoint = replace(endpoint, failure_count=endpoint.failure_count + 1)
    if misbehavior_of(delivery.manner).once:
        return replace(delivery, status="failed", reason="it is sent only once"), endpoint
    first = now if delivery.first_failed_at is None else delivery.first_failed_at
    due = next_attempt(delivery.attempts, first, now, random)
    if due is not None:
        return replace(delivery, status="retrying", first_failed_at=first, next_at=due), endpoint
    exhausted = delivery.attempts >= ATTEMPTS
    reason = f"all {ATTEMPTS} attempts failed" if exhausted else _TOO_LATE
    delivery = replace(delivery, status="dead_letter", first_failed_at=first, reason=reason)
    return delivery, _count_dead_letter(endpoint)


def _count_dead_letter(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint after a dead letter; too many in a row disable it."""
    dead = endpoint.dead_in_a_row + 1
    return replace(
        endpoint,
        dead_in_a_row=dead,
        is_active=endpoint.is_active and dead < DISABLED_AFTER,
    )


def requeue(delivery: Delivery, now: float) -> Delivery:
    """Return the delivery queued again by hand, with all its attempts left."""
    return replace(
        delivery, status="pending", next_at=now, attempts=0, first_failed_at=None, reason=""
    )
