"""The digest of a catalog, which identifies the one that classes were generated from."""

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

__all__ = ["digest"]


class _Catalog(Protocol):
    @property
    def events(self) -> Iterable[object]: ...


def digest(catalog: _Catalog) -> str:
    """Return the digest of a catalog, regardless of the order of its events and keys."""
    events = sorted((vars(event) for event in catalog.events), key=lambda item: item["type"])
    text = json.dumps(events, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
