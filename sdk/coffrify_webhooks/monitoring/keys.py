"""Which secrets are still in use: so that an old one can be retired with certainty."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coffrify_webhooks.signature.secret import Secret

__all__ = ["KeyUse", "is_old", "name_of"]

_AN_HOUR = 3600.0
_SOON = 24 * 3600.0
_MOST = 1000


class KeyUse:
    """When each secret signed last, as far as this process knows."""

    def __init__(self) -> None:
        self.last: dict[int, float] = {}
        """By its index in the list of secrets, the signed time."""
        self.names: dict[int, str] = {}
        self._told: dict[str, float] = {}

    def is_to_be_told(self, name: str, now: float) -> bool:
        """Tell whether an hour has passed since this was asked of an old secret."""
        told = self._told.get(name)
        if told is not None and told <= now < told + _AN_HOUR:
            return False
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[name] = now
        return True

    def by_name(self) -> dict[str, float]:
        """Return the time for each secret, by its label or its index."""
        return {self.names.get(index, str(index)): at for index, at in sorted(self.last.items())}


def name_of(secret: Secret, index: int) -> str:
    """Return a secret's label, else its index in the list."""
    return secret.label or str(index)


def is_old(secret: Secret, index: int, now: float) -> str:
    """Say why a secret is to be retired, if it is."""
    if secret.not_after is not None and secret.not_after - now < _SOON:
        return "it expires within 24 hours"
    return "it is not the first of the secrets" if index else ""
