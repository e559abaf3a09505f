"""The smallest body that still fails alike: all is left out that can be."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["smallest"]

_MOST_PARTS = 200
_Path = tuple[str | int, ...]


def smallest(document: dict[str, Any], fails: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return a body less each part of its data without which it fails still.

    One pass, from the outside in; `fails` is asked once for each part, and no more than 200 times.
    """
    paths = [*_paths(document.get("data"), ("data",))][:_MOST_PARTS]
    for path in paths:
        candidate = _without(document, path)
        if candidate is not None and fails(candidate):
            document = candidate
    return document


def _paths(value: Any, path: _Path) -> Iterator[_Path]:
    """Yield where each part of a value is; of a list, the last item first."""
    if isinstance(value, dict):
        inside: list[tuple[str | int, Any]] = [*cast("dict[str, Any]", value).items()]
    elif isinstance(value, list):
        inside = [*reversed([*enumerate(cast("list[object]", value))])]
    else:
        return
    yield from ((*path, name) for name, _ in inside)
    for name, each in inside:
        yield from _paths(each, (*path, name))


def _without(document: dict[str, Any], path: _Path) -> dict[str, Any] | None:
    """Return the body without a part; None if that is gone already, with what held it."""
    copy = deepcopy(document)
    owner: Any = copy
    try:
        for step in path[:-1]:
            owner = owner[step]
        del owner[path[-1]]
    except (LookupError, TypeError):
        return None
    return copy
