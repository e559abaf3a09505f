"""Searches secrets x headers x bodies for what verifies, the fewest differences first."""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

from .bodies import Bodies, Body
from .claims import claims, lost_times, time_zones
from .keys import last_keys, variants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .claims import Claim
    from .diagnosis import Finding
    from .keys import GivenSecret, Key
    from .work import Work

__all__ = ["Proof", "search"]

_MOST_FINDINGS = 3
_LARGE = 65_536
"""Bytes of a body from which on it is tried with one scheme only: both sign the same body."""


_MOST_BODIES = 200
"""With which a secret that lost one character is tried."""


class Proof(NamedTuple):
    """What verified, and the differences from what was given."""

    claim: Claim
    findings: tuple[Finding, ...]


def search(
    body: bytes,
    found: Sequence[tuple[str, str]],
    strict: dict[str, str] | None,
    given: list[GivenSecret],
    now: float,
    work: Work,
) -> Proof | None:
    """Return the proof with the fewest findings, or None if nothing that was tried verifies."""
    keys = variants(given, now)
    said = claims(found, strict, body)
    if not said:
        tried = (_match(Body(body), each, keys.get(0, ()), work) for each in lost_times(found, now))
        return next((proof for proof in tried if proof is not None or work.is_over), None)
    bodies = Bodies(body, work)
    for total in range(_MOST_FINDINGS + 1):
        for of_body in range(total + 1):
            for each in bodies.level(of_body):
                proof = _try(each, said, keys, total - of_body, work)
                if proof is not None or work.is_over:
                    return proof
        if total == 1 and (proof := _last(bodies, said, keys, given, work)) is not None:
            return proof
        # Before all pairs of a secret and a body: few, such as base64 of gzip.
        for each in takewhile(_is_plain, bodies.level(2)) if total == 1 else ():
            proof = _try(each, said, keys, 0, work)
            if proof is not None or work.is_over:
                return proof
    return None


def _is_plain(body: Body) -> bool:
    return body.is_plain


def _try(
    body: Body, said: dict[int, list[Claim]], keys: dict[int, list[Key]], rest: int, work: Work
) -> Proof | None:
    for of_claim in range(rest + 1):
        known = said.get(of_claim, [])
        if len(body.findings) > 1 or (body.findings and len(body.data) > _LARGE):
            known = known[:1]
        for claim in known:
            proof = _match(body, claim, keys.get(rest - of_claim, ()), work)
            if proof is not None or work.is_over:
                return proof
    return None


def _match(body: Body, claim: Claim, keys: Iterable[Key], work: Work) -> Proof | None:
    for key in keys:
        if not work.hash(len(body.data)):
            return None
        more = claim.match(key.mac(claim.prefix, body.data))
        if more is not None:
            findings = (*key.findings, *claim.findings, *more, *body.findings)
            return Proof(claim, tuple(dict.fromkeys(findings)))
    return None


def _last(
    bodies: Bodies,
    said: dict[int, list[Claim]],
    keys: dict[int, list[Key]],
    given: list[GivenSecret],
    work: Work,
) -> Proof | None:
    """Try what takes many steps, and happens seldom."""
    usual = said.get(0, [])
    body = next(bodies.level(0))
    if len(body.data) > _LARGE:
        return None
    for claim in time_zones(usual):
        proof = _match(body, claim, keys.get(0, ()), work)
        if proof is not None:
            return proof
    for claim in usual[:1]:
        proof = _match(body, claim, last_keys(given, is_whole=True), work)
        few = list(last_keys(given, is_whole=False))
        for each in islice(bodies.level(1), _MOST_BODIES) if proof is None and few else ():
            proof = _match(each, claim, few, work)
            if proof is not None:
                break
        return proof
    return None
