"""Records which secrets an endpoint's page shows next: new and requested ones."""

from __future__ import annotations

__all__ = ["SecretsShown"]


class SecretsShown:
    """The endpoints whose secret is to be shown once.

    The page that creates or requests a secret answers with a redirect, so that a reload repeats
    nothing; the secret itself must not be in a URL.
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def show(self, endpoint_id: str) -> None:
        """Show an endpoint's secret when its page is next loaded."""
        self._ids.add(endpoint_id)

    def take(self, endpoint_id: str) -> bool:
        """Tell whether to show an endpoint's secret, once."""
        if endpoint_id not in self._ids:
            return False
        self._ids.remove(endpoint_id)
        return True
