"""Shapes: what a piece of parsed JSON is, in a way that type checkers follow."""

from collections.abc import Mapping
from typing import Any, TypeGuard

__all__ = ["is_list", "is_mapping"]


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether it is a JSON array."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether it is a JSON object."""
    return isinstance(value, Mapping)
