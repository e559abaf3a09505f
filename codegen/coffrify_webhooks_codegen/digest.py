"""The digest of a catalog: tells whether classes were made of it. Needs no generator."""

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

__all__ = ["digest"]


class _Catalog(Protocol):
    @property
    def events(self) -> Iterable[object]: ...


def digest(catalog: _Catalog) -> str:
    """Digest a catalog; the order of its events and of its keys makes no difference."""
    events = sorted((vars(event) for event in catalog.events), key=lambda item: item["type"])
    text = json.dumps(events, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()
