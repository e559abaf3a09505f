"""Reads the subscription from the form of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .submitted_form import SubmittedForm

__all__ = ["subscription"]


def subscription(form: SubmittedForm) -> list[str]:
    """Return the chosen event types, or "*" for all."""
    return ["*"] if form.text("which") == "all" else form.all("events")
