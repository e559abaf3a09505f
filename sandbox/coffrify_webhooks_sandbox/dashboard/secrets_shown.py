"""Which secrets the next look at an endpoint's page shows: new ones, and those asked for."""

from __future__ import annotations

__all__ = ["SecretsShown"]


class SecretsShown:
    """The endpoints whose secret is to be shown once.

    The page that makes or asks for a secret answers with a redirect, so that a reload does nothing
    twice; the secret itself must not travel in an address.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def show(self, endpoint_id: str) -> None:
        """Show an endpoint's secret at the next look."""
        self._ids.add(endpoint_id)

    def take(self, endpoint_id: str) -> bool:
        """Tell whether to show an endpoint's secret, and forget about it."""
        if endpoint_id not in self._ids:
            return False
        self._ids.remove(endpoint_id)
        return True
