"""Keeps a view out of the transactions that ATOMIC_REQUESTS opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import connections
from django.db.transaction import non_atomic_requests

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["outside_transactions"]

V = TypeVar("V", bound="Callable[..., object]")


def outside_transactions(view: V) -> V:
    """Mark a view as Django's decorator does, but for every database: the store may be in any."""
    for alias in connections:
        view = non_atomic_requests(using=alias)(view)
    return view
