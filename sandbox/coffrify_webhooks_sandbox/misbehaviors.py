"""The ways in which the sandbox can misbehave, by name, to test receivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coffrify_webhooks_codegen.json_types import is_mapping

from .errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MISBEHAVIORS", "PLAIN", "Misbehavior", "misbehavior_of"]

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Misbehavior:
    """How a delivery breaks the sender's promises."""

    about: str
    once: bool = False
    """It is sent only once, because a receiver is right to refuse it."""
    copies: int = 1
    """How many copies are sent at the same moment."""
    again: bool = False
    """It is sent once more after it was accepted."""
    backwards: bool = False
    """Several events are sent in reverse order."""
    change: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None
    """Changes the event's body."""
    skew: float = 0.0
    """Seconds by which the signed time is off."""
    forged: bool = False
    """It is signed with an unknown secret."""
    content_type: str = "application/json"
    cut: bool = False
    """The connection ends in the middle of the body."""
    drip: float = 0.0
    """Seconds over which the body arrives."""


def _add_fields(body: dict[str, Any]) -> Mapping[str, Any]:
    data = body["data"]
    fresh = {"added_later": {"by": "the sandbox", "list": [1, None, "two"]}}
    if is_mapping(data):
        data = {**data, **fresh}
    return {**body, "data": data, "api_version": "2099-01-01"}


def _drop_fields(body: dict[str, Any]) -> Mapping[str, Any]:
    return {**body, "data": {}}


def _change_type(body: dict[str, Any]) -> Mapping[str, Any]:
    family = str(body["type"]).partition(".")[0]
    return {**body, "type": f"{family}.invented_later"}


PLAIN = Misbehavior("as promised")

MISBEHAVIORS: dict[str, Misbehavior] = {
    "duplicate": Misbehavior("sent again after it was accepted", again=True),
    "concurrent": Misbehavior("sent twice at the same moment", copies=2),
    "out-of-order": Misbehavior("the last of several events is sent first", backwards=True),
    "forged": Misbehavior("signed with a wrong secret", once=True, forged=True),
    "stale": Misbehavior("signed an hour ago", once=True, skew=-_HOUR),
    "future": Misbehavior("signed with a time one hour in the future", once=True, skew=_HOUR),
    "truncated": Misbehavior("the connection ends in the middle of the body", once=True, cut=True),
    "wrong-content-type": Misbehavior("sent as text/plain", content_type="text/plain"),
    "slow-body": Misbehavior("the body takes five seconds to arrive", drip=5.0),
    "new-fields": Misbehavior("with fields that the catalog does not have", change=_add_fields),
    "missing-fields": Misbehavior("without the fields of its data", change=_drop_fields),
    "unknown-type": Misbehavior("of a type that the catalog does not have", change=_change_type),
}


def misbehavior_of(name: str) -> Misbehavior:
    """Return a misbehavior by its name, PLAIN for ""; raise SandboxError for an unknown one."""
    if not name:
        return PLAIN
    found = MISBEHAVIORS.get(name)
    if found is None:
        known = ", ".join(MISBEHAVIORS)
        raise SandboxError(
            400,
            "unknown_manner",
            f"there is no misbehavior {name[:60]!a}; there are {known}",
            "manner",
        )
    return found
