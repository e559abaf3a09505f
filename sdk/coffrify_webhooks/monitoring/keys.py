"""Which secrets are still in use: so that an old one can be retired with certainty.

Each process notes in the store, at most once a minute for each secret, when it signed last. The
note is a mark, as the order of events has them, under a key made of the secret itself: it stays
with the secret when the list of secrets changes, and it is dropped with the retention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffrify_webhooks.signature.secret import fingerprint, name_of
from coffrify_webhooks.stores.marks import read_mark

if TYPE_CHECKING:
    from coffrify_webhooks.signature.keyring import Keyring
    from coffrify_webhooks.signature.secret import Secret
    from coffrify_webhooks.stores import Store

__all__ = ["KeyUse", "is_old", "last_use", "later", "mark_of"]

_AN_HOUR = 3600.0
"""Seconds between two notices of one old secret."""
_SOON = 24 * 3600.0
"""Seconds before its expiry in which a secret is old: as long as the vendor's usual grace."""
_A_MINUTE = 60.0
"""Seconds between two notes of one secret's use in the store."""
_MOST = 1000
_MARK = "coffrify-webhooks: last use of this secret by "


class KeyUse:
    """When each secret signed last, as far as this process knows."""

    def __init__(self) -> None:
        self.latest: float | None = None
        """When any of them signed last."""
        self._last: dict[Secret, tuple[str, float]] = {}
        """What it is called and when it signed: by the secret, whose place in a list may change."""
        self._seen: tuple[Keyring, dict[Secret, str]] | None = None
        """The secrets in use, and their names."""
        self.unnoted: dict[Secret, float] = {}
        """When a secret was used, where that is not in the store yet."""
        self._told: dict[object, float] = {}
        self._noted: dict[object, float] = {}

    def see(self, ring: Keyring, secret: Secret, signed_at: float) -> None:
        """Remember when a secret signed, of those that are in use now."""
        self.latest = signed_at
        last, seen = self._last, self._seen
        if seen is None or seen[0] is not ring:
            names = {each: name_of(each, index) for index, each in enumerate(ring.secrets)}
            others = set(names.values())  # a name must not show the use of another secret
            kept = [(each, *found) for each, found in list(last.items())][-_MOST:]
            last = {
                each: (names.get(each, name), at)
                for each, name, at in kept
                if each in names or name not in others
            }
            seen = ring, names
            self._last, self._seen = last, seen
        last[secret] = seen[1][secret], max(signed_at, last.get(secret, ("", signed_at))[1])

    @property
    def has_names(self) -> bool:
        """Whether secrets that go by a name have signed."""
        return self._seen is not None

    def is_to_be_told(self, secret: Secret, now: float) -> bool:
        """Tell whether an hour has passed since this was asked of an old secret."""
        return _is_due(self._told, secret, now, _AN_HOUR)

    def note(self, secret: Secret, now: float) -> None:
        """Let the use of a secret be stored, unless one of the last minute was."""
        if _is_due(self._noted, secret, now, _A_MINUTE):
            self.unnoted[secret] = now

    def by_name(self) -> dict[str, float]:
        """Return the time for each secret, by its label or its index."""
        found = dict(list(self._last.values()))
        if not found and self.latest is not None:
            found["0"] = self.latest  # it is alone; among others, its place would be another's
        return found


def is_old(secret: Secret, index: int, now: float) -> str:
    """Say why a secret is to be retired, if it is."""
    if secret.not_after is not None and secret.not_after - now < _SOON:
        return "it expires within 24 hours"
    return "it is not the first of the secrets" if index else ""


def mark_of(receiver: str, secret: Secret) -> str:
    """Return the key of the mark that holds when a receiver's secret signed last."""
    return fingerprint(secret, _MARK + receiver)


def later(state: str | None, now: float) -> float:
    """Return the later of a mark's time and this one; a mark that cannot be read is none."""
    try:
        return max(float(state or 0), now)
    except ValueError:
        return now


def last_use(store: Store, receiver: str, secret: Secret) -> float | None:
    """Return when a secret signed last, to the minute, as all processes have noted it, or None.

    Raises StoreUnavailable.
    """
    return later(read_mark(store, mark_of(receiver, secret)), 0.0) or None


def _is_due(times: dict[object, float], what: object, now: float, after: float) -> bool:
    last = times.get(what)
    if last is not None and last <= now < last + after:
        return False
    if len(times) >= _MOST:
        times.clear()
    times[what] = now
    return True
