"""The ways in which a sender can misbehave, by name, to see what the receiver makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coffrify_webhooks_codegen.json_types import is_mapping

from .errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MANNERS", "PLAIN", "Manner", "manner_of"]

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Manner:
    """What is different about a delivery."""

    about: str
    once: bool = False
    """It is sent once and not tried again: a receiver that refuses it is right."""
    copies: int = 1
    """How many of it are on their way at the same moment."""
    again: bool = False
    """It is sent once more after it was taken."""
    backwards: bool = False
    """Of several events the last one is sent first."""
    change: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None
    """What becomes of the event's body."""
    skew: float = 0.0
    """Seconds by which the signed time is off."""
    forged: bool = False
    """It is signed with a secret that nobody knows."""
    content_type: str = "application/json"
    cut: bool = False
    """The connection ends in the middle of the body."""
    drip: float = 0.0
    """Seconds over which the body arrives."""


def _with_new_fields(body: dict[str, Any]) -> Mapping[str, Any]:
    data = body["data"]
    fresh = {"added_later": {"by": "the sandbox", "list": [1, None, "two"]}}
    if is_mapping(data):
        data = {**data, **fresh}
    return {**body, "data": data, "api_version": "2099-01-01"}


def _without_fields(body: dict[str, Any]) -> Mapping[str, Any]:
    return {**body, "data": {}}


def _of_unknown_type(body: dict[str, Any]) -> Mapping[str, Any]:
    family = str(body["type"]).partition(".")[0]
    return {**body, "type": f"{family}.invented_later"}


PLAIN = Manner("as promised")

MANNERS: dict[str, Manner] = {
    "duplicate": Manner("sent once more after it was taken", again=True),
    "concurrent": Manner("sent twice at the same moment", copies=2),
    "out-of-order": Manner("the last of several events is sent first", backwards=True),
    "forged": Manner("signed with a wrong secret", once=True, forged=True),
    "stale": Manner("signed an hour ago", once=True, skew=-_HOUR),
    "future": Manner("signed for an hour from now", once=True, skew=_HOUR),
    "truncated": Manner("the connection ends in the middle of the body", once=True, cut=True),
    "wrong-content-type": Manner("sent as text/plain", content_type="text/plain"),
    "slow-body": Manner("the body takes five seconds to arrive", drip=5.0),
    "new-fields": Manner("with fields that the catalog does not have", change=_with_new_fields),
    "missing-fields": Manner("without the fields of its data", change=_without_fields),
    "unknown-type": Manner("of a type that the catalog does not have", change=_of_unknown_type),
}


def manner_of(name: str) -> Manner:
    """Return a manner by its name, PLAIN for none; raise SandboxError for an unknown one."""
    if not name:
        return PLAIN
    found = MANNERS.get(name)
    if found is None:
        known = ", ".join(MANNERS)
        raise SandboxError(
            400,
            "unknown_manner",
            f"nobody misbehaves like {name[:60]!a}; there are {known}",
            "manner",
        )
    return found
